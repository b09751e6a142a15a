"""Words that secrets are commonly built from, and the walks over a keyboard: a new secret that is one of these, padded, is refused.

NIST SP 800-63B-4, 3.1.1.2 and OWASP ASVS 5, V6.2.4 ask for a comparison with common secrets. Published lists hold mostly short
entries; with twelve characters as the least length the common ones are those padded, repeated or joined, so that is what is compared.
The list is this project's own: frequent English, pinyin and digit secrets, and the words of the trade.
"""

from __future__ import annotations

import re

WORDS = frozenset(
    """
    123456 12345678 123456789 1234567890 111111 000000 666666 888888 999999 112233 121212 123123 123321 654321 987654321 147258369
    159357 789456123 520520 5201314 1314520 13145200 1314 520 521 168168 518518 741852963 963852741 246810 13579 11223344
    password passwd passw0rd password1 pass pwd secret letmein welcome admin administrator root guest user test testing demo default login
    master system manager changeme change temp temporary initial first office server service support public private security secure
    qwerty qwertyuiop asdfgh asdfghjkl zxcvbn zxcvbnm qazwsx qazwsxedc qweasd qweasdzxc 1qaz2wsx 1q2w3e4r 1q2w3e 1qazxsw2 zaq12wsx
    qwer1234 asdf1234 abc123 abcd1234 a123456 a12345678 aa123456 abc123456 q123456 w123456 z123456 aaa111 a1b2c3 a1b2c3d4 abcdef abcdefg
    abcdefgh iloveyou loveyou love dragon monkey football baseball basketball soccer superman batman spiderman sunshine princess shadow
    michael jordan jennifer jessica charlie daniel thomas andrew robert ashley nicole michelle hunter killer freedom whatever trustno1
    starwars pokemon computer internet google facebook microsoft windows samsung apple android hello world summer winter spring autumn
    flower cheese cookie chocolate banana orange purple silver golden diamond ginger pepper tigger buster soccer hockey ranger thunder
    monday friday january december birthday family friend forever lovely beautiful handsome lucky happy angel baby honey sweet
    woaini woaini1314 woaini520 woaiwojia wodemima mima nihao nihaoma zhongguo beijing shanghai guangzhou shenzhen zhonghua zhangwei
    wangwei wangfang liwei lina zhangmin lijing wangjing zhangli wangqiang xiaoming zhangsan lisi wangwu aini qinaide baobao baobei laopo
    laogong mama baba tongxin gongzuo danwei bangong bangongshi guanliyuan yonghu mimashi caonima tianya renren taobao alibaba tencent
    weixin xinfang xinfangju xinfangban shangfang jubao tousu dangan danganguan danganju zhengfu shiwei shizhengfu xianwei jiwei
    jiancha fuwu renmin weirenminfuwu gongkai archive archives petition petitions petitioner complaint government
    """.split()  # noqa: SIM905  two hundred quoted words would be read by nobody
)

_ROWS = (
    "1234567890-=",
    "qwertyuiop[]",
    "asdfghjkl;'",
    "zxcvbnm,./",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/",
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "147258369",
    "一二三四五六七八九十",
)
_WALKS = tuple(row * 2 for row in _ROWS) + tuple(row[::-1] * 2 for row in _ROWS)
_LEAST_LEFT = 4.0
_LEET = str.maketrans("@$!0134578", "asioieastb")
_IDENTITY_NUMBER = re.compile(r"\d{17}[\dx]|\d{15}")
_MOBILE = re.compile(r"(?:\+?86)?1\d{10}")
_DATE = re.compile(r"(?:19|20)\d{2}(?:(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])|[-./年]\d{1,2}[-./月]\d{1,2}日?)")


def is_common(secret: str) -> bool:
    """Tell whether a secret (already NFKC) is a common one: a listed word or keyboard walk, repeated, joined, padded or in leet letters."""
    folded = secret.casefold()
    if _IDENTITY_NUMBER.fullmatch(folded) or _MOBILE.fullmatch(folded):
        return True
    return min(_left_to_guess(folded, folded), _left_to_guess(folded.translate(_LEET), folded)) < _LEAST_LEFT


def _left_to_guess(text: str, written: str) -> float:
    """What remains when words, walks, dates and repeats are taken away: a letter counts 1, a digit a half, a sign nothing."""
    left = 0.0
    place = 0
    while place < len(text):
        date = _DATE.match(written, place)
        step = max(_word_at(text, place), _walk_at(written, place), _repeat_at(written, place), date.end() - place if date else 0)
        if step == 0:
            left += 0.5 if written[place].isdigit() else float(written[place].isalpha())
            step = 1
        place += step
    return left


def _word_at(text: str, place: int) -> int:
    for length in range(min(16, len(text) - place), 2, -1):
        if text[place : place + length] in WORDS:
            return length
    return 0


def _walk_at(text: str, place: int) -> int:
    best = 0
    for walk in _WALKS:
        length = best + 1
        while place + length <= len(text) and text[place : place + length] in walk:
            best = length
            length += 1
    return best if best >= 4 else 0


def _repeat_at(text: str, place: int) -> int:
    """The length of a second and later copy of a piece that stands just before `place`, or of a run of one character."""
    for size in range(1, min(8, place) + 1):
        if text[place - size : place] == text[place : place + size] and (size > 1 or text[place - 2 : place] == text[place] * 2):
            return size
    return 0
