"""Invented people, and the ways in which texts mention them.

Recognisable as invented, each by a rule that tests hold:

names        every given name holds one of 测 试 样 例 拟, every company name too; family names and forms are real ones, so that
             masks and redaction meet compound surnames, dots and single characters;
ID numbers   issued in a place whose code begins with 99, which no province has (GB/T 2260); the check digit is right (GB 11643),
             the old form has 15 digits;
mobiles      100 and eight digits: no mobile network begins with 10 (they begin with 13 to 19);
landlines    area code 026, which is not in use;
e-mail       under example.invalid (RFC 6761, section 6.4);
credit codes registered in a place whose code begins with 99 (GB 32100).
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from service.generator.office import Place

MARKS = "测试样例拟"
SURNAMES = tuple("王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董潘袁蒋余杜")
COMPOUND = ("欧阳", "司马", "上官", "诸葛", "尉迟", "慕容", "皇甫", "东方")
DOTTED = ("阿依", "艾力", "卓玛", "巴图", "古丽", "买买提")
DOTS = "·•"
_GIVEN = "文宁远清明舟川言青安和平秀兰桂芳建国志强海燕春晓丽华伟军"
_BRANDS = ("样例", "测试", "拟态", "试航", "例行")
_TRADES = ("建设工程", "置业", "物业服务", "环保科技", "商贸", "教育咨询", "劳务", "实业")
_PINYIN = ("ceshi", "yangli", "shili", "nice", "jiali")
_STREETS = ("柳溪路", "桂苑街", "石榴巷", "青云大道", "文昌路")
_WIDE = str.maketrans("0123456789X", "０１２３４５６７８９Ｘ")
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CREDIT_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_CREDIT_WEIGHTS = tuple(pow(3, power, 31) for power in range(17))
DUTIES = ("主任", "书记", "科长", "所长", "站长", "队长", "会计")


@dataclass(slots=True)
class Person:
    """One invented petitioner, accused person, witness or company; numbers are empty where this one has none."""

    name: str
    surname: str
    written: str
    """The name as texts spell it: another dot than in the structured field for names with one."""
    female: bool
    kind: str
    id_type: str
    id_number: str
    birth: str
    mobile: str
    landline: str
    email: str
    address: str

    @property
    def phone(self) -> str:
        """The number by which this person is called."""
        return self.mobile or self.landline

    @property
    def title(self) -> str:
        """先生 or 女士; nothing for a company."""
        return "" if self.id_type == "credit_code" else "女士" if self.female else "先生"


def a_name(random: Random) -> tuple[str, str, str]:
    """Make a name: the structured spelling, the family name (of a name with a dot the part before it), and the spelling in texts."""
    draw = random.random()
    mark = MARKS[int(random.random() * 5)]
    other = _GIVEN[int(random.random() * len(_GIVEN))]
    if draw < 0.04:
        first = DOTTED[int(random.random() * len(DOTTED))]
        dot = int(random.random() * 2)
        return f"{first}{DOTS[dot]}{mark}{other}", first, f"{first}{DOTS[1 - dot]}{mark}{other}"
    surname = COMPOUND[int(random.random() * len(COMPOUND))] if draw < 0.12 else SURNAMES[int(random.random() * len(SURNAMES))]
    given = mark if draw > 0.85 else mark + other if draw > 0.5 else other + mark
    return surname + given, surname, surname + given


def a_person(random: Random, place: Place) -> Person:
    """Make a citizen who lives in `place`."""
    name, surname, written = a_name(random)
    draw = random.random
    female = draw() < 0.5
    year, month, day = 1940 + int(draw() * 64), 1 + int(draw() * 12), 1 + int(draw() * 28)
    serial = int(draw() * 500) * 2 + (0 if female else 1)
    old = draw() < 0.04 and year < 1985
    id_number = old_id(place.code, year, month, day, serial) if old else new_id_number(place.code, year, month, day, serial)
    mobile = f"100{int(draw() * 10**8):08d}" if draw() < 0.88 else ""
    landline = f"026-{60000000 + int(draw() * 3 * 10**7)}" if not mobile or draw() < 0.08 else ""
    street = _STREETS[int(draw() * 5)]
    town = place.towns[int(draw() * len(place.towns))]
    return Person(
        name=name,
        surname=surname,
        written=written,
        female=female,
        kind="citizen",
        id_type="resident_id",
        id_number=id_number,
        birth=f"{year}-{month:02d}-{day:02d}",
        mobile=mobile,
        landline=landline,
        email=f"{_PINYIN[int(draw() * 5)]}{int(draw() * 9000) + 1000}@example.invalid" if draw() < 0.25 else "",
        address=f"{place.full_name}{town}{street}{1 + int(draw() * 300)}号{1 + int(draw() * 20)}栋{101 + int(draw() * 9) * 100}室",
    )


def a_company(random: Random, place: Place) -> Person:
    """Make a legal person registered in `place`."""
    draw = random.random
    name = company_name(random, place)
    return Person(
        name=name,
        surname=name,
        written=name,
        female=False,
        kind="legal_person",
        id_type="credit_code",
        id_number=credit_code(place.code, int(draw() * 31**5)),
        birth="",
        mobile="",
        landline=f"026-{60000000 + int(draw() * 3 * 10**7)}",
        email=f"office{int(draw() * 900) + 100}@example.invalid",
        address=f"{place.full_name}{place.towns[0]}{_STREETS[int(draw() * 5)]}{1 + int(draw() * 300)}号",
    )


def company_name(random: Random, place: Place) -> str:
    """Name a company of `place`; the brand tells that it is invented."""
    return f"{place.county}{_BRANDS[int(random.random() * 5)]}{_TRADES[int(random.random() * len(_TRADES))]}有限公司"


def new_id_number(division: str, year: int, month: int, day: int, serial: int) -> str:
    """Write an 18-digit number with its check character (GB 11643-1999, ISO 7064 MOD 11-2)."""
    body = f"{division}{year}{month:02d}{day:02d}{serial:03d}"
    total = sum(weight * (ord(digit) - 48) for weight, digit in zip(_ID_WEIGHTS, body, strict=True))
    return body + "10X98765432"[total % 11]


def old_id(division: str, year: int, month: int, day: int, serial: int) -> str:
    """Write a number of the old form: 15 digits, two for the year, no check digit."""
    return f"{division}{year % 100:02d}{month:02d}{day:02d}{serial:03d}"


def credit_code(division: str, serial: int) -> str:
    """Write a unified social credit code with its check character (GB 32100-2015)."""
    tail = ""
    for _ in range(7):
        serial, digit = divmod(serial, 31)
        tail = _CREDIT_ALPHABET[digit] + tail
    body = f"91{division}MA{tail}"
    total = sum(weight * _CREDIT_ALPHABET.index(character) for weight, character in zip(_CREDIT_WEIGHTS, body, strict=True))
    return body + _CREDIT_ALPHABET[-total % 31]


def spelled_id(random: Random, number: str) -> str:
    """Spell a document number as people do: as it is, in groups, in full width, or with a small x."""
    draw = random.random()
    if draw < 0.6 or len(number) < 15:
        return number
    if draw < 0.75:
        return f"{number[:6]} {number[6:-4]} {number[-4:]}"
    return number.translate(_WIDE) if draw < 0.88 else number.lower()


def spelled_phone(random: Random, number: str) -> str:
    """Spell a telephone number as people do: as it is, in groups with spaces or hyphens, in full width, or with the country code."""
    draw = random.random()
    if draw < 0.45:
        return number
    if number.startswith("0"):
        return number.replace("-", "") if draw < 0.6 else number.replace("-", " ") if draw < 0.8 else f"({number[:3]}){number[4:]}"
    if draw < 0.6:
        return f"{number[:3]} {number[3:7]} {number[7:]}"
    if draw < 0.75:
        return f"{number[:3]}-{number[3:7]}-{number[7:]}"
    return number.translate(_WIDE) if draw < 0.9 else f"+86 {number}"


def called(random: Random, person: Person) -> str:
    """Mention a person as people do: the whole name, 张某, 张某某, 老张 or 张女士."""
    draw = random.random()
    if draw < 0.35 or not person.title:
        return person.written
    if person.surname in DOTTED:
        return f"{person.surname}{person.title}"
    if draw < 0.55:
        return f"{person.surname}某"
    if draw < 0.65:
        return f"{person.surname}某某"
    if draw < 0.8 and len(person.surname) == 1:
        return f"老{person.surname}"
    return person.surname + person.title
