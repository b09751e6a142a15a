"""Which characters a string may hold, and its one stored form: NFC, trimmed, lines ended by a line feed.

Bidirectional controls reorder what a reader sees (Unicode TR 36, section 2.5), invisible characters make two equal-looking names
differ, lone surrogates have no UTF-8 form. Private-use code points and variation selectors stay: rare characters of real names live there.
NFC, not NFKC: the compatibility forms of rare name characters are other characters to their bearers.
"""

from __future__ import annotations

import re
from typing import Final
from unicodedata import is_normalized, normalize

_BIDI: Final = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_CONTROL: Final = "\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
_NONCHARACTER: Final = "\ufdd0-\ufdef" + "".join(f"{chr(plane * 0x10000 + 0xFFFE)}{chr(plane * 0x10000 + 0xFFFF)}" for plane in range(17))
_TAGS: Final = "\U000e0000-\U000e007f"
_ALWAYS: Final = "\x00\ud800-\udfff" + _BIDI + _CONTROL + _NONCHARACTER + _TAGS
ZERO_WIDTH: Final = "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200d\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
_PRIVATE: Final = "\ue000-\uf8ff\U000f0000-\U000ffffd\U00100000-\U0010fffd"
_LINES: Final = "\t\n\r\u0085\u2028\u2029"

_CATEGORIES: Final = (
    ("nul", re.compile("\x00")),
    ("lone-surrogate", re.compile("[\ud800-\udfff]")),
    ("bidi-control", re.compile(f"[{_BIDI}]")),
    ("line-break", re.compile(f"[{_LINES}]")),
    ("control-character", re.compile(f"[{_CONTROL}]")),
    ("noncharacter", re.compile(f"[{_NONCHARACTER}]")),
    ("invisible-character", re.compile(f"[{ZERO_WIDTH}{_TAGS}]")),
    ("private-use", re.compile(f"[{_PRIVATE}]")),
    ("space", re.compile(r"\s")),
)
REFUSED: Final = {
    "text": re.compile(f"[{_ALWAYS}]"),
    "line": re.compile(f"[{_ALWAYS}{_LINES}]"),
    "name": re.compile(f"[{_ALWAYS}{_LINES}{ZERO_WIDTH}]"),
    "code": re.compile(rf"[{_ALWAYS}{_LINES}{ZERO_WIDTH}{_PRIVATE}\s]"),
}
"""Refused characters by strictness."""
ORDINARY: Final = re.compile(r"[\u4e00-\u9fff!-~，。、：；？！（）《》“”]*")
"""Texts of these characters alone are tidy and refused at no strictness; a test holds this of every one of them."""
_EDGE_CHARACTERS: Final = frozenset("\u200b\u200c\u200d\u2060\ufeff\u00ad")
# A marking in the form of GB/T 9704 (秘密★10年), a 密级 heading, or a line of its own; prose that merely says 秘密 is none.
_LEVEL: Final = r"(?:[绝絕]\s*+密|[机機]\s*+密|秘\s*+密)"
_MARKING: Final = re.compile(
    rf"(?<![业業作])(?<!个人){_LEVEL}\s*+(?:级|級)?\s*+[★☆✩✪✫✬✭✮✯⭐🌟]"
    rf"|[★☆⭐]\s*+{_LEVEL}(?![一-龥])"
    rf"|密\s*+级\s*+[:：]\s*+[\[【〔(（]?\s*+{_LEVEL}"
    rf"|密\s*+級\s*+[:：]\s*+{_LEVEL}"
    rf"|(?m:^[ \t\u3000]*+[\[【〔(（《]?[ \t\u3000]*+{_LEVEL}[ \t\u3000]*+[\]】〕)）》]?[ \t\u3000]*+$)"
    rf"|[\[【〔]\s*+{_LEVEL}\s*+[\]】〕]"
)
_ZERO_WIDTH: Final = re.compile(f"[{ZERO_WIDTH}]")
_LONGEST_MARKED_GAP: Final = re.compile(r"[^\S\n]{9,}")


def tidy(text: str) -> str:
    """The stored form of a string: NFC, trimmed of white space and invisible edges, line feeds only."""
    text = text.strip()
    if text and (text[0] in _EDGE_CHARACTERS or text[-1] in _EDGE_CHARACTERS):
        text = _trim(text)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.isascii() and not is_normalized("NFC", text):
        text = normalize("NFC", text)
    return text


def _trim(text: str) -> str:
    start, end = 0, len(text)
    while start < end and (text[start] in _EDGE_CHARACTERS or text[start].isspace()):
        start += 1
    while end > start and (text[end - 1] in _EDGE_CHARACTERS or text[end - 1].isspace()):
        end -= 1
    return text[start:end]


def refused(text: str, strictness: str) -> list[str]:
    """The rules that characters of the text break at this strictness (`text`, `line`, `name`, `code`), each once."""
    if text.isascii() and text.isprintable() and strictness != "code":
        return []
    pattern = REFUSED[strictness]
    if pattern.search(text) is None:
        return []
    found = [rule for rule, category in _CATEGORIES if (hit := category.search(text)) and pattern.search(hit[0])]
    return found or ["control-character"]


def marked_secret(text: str) -> bool:
    """Whether the text bears a state-secret marking (绝密, 机密, 秘密 as a mark, not as a word)."""
    if "密" not in text:
        return False
    plain = _ZERO_WIDTH.sub("", text)
    return _MARKING.search(_LONGEST_MARKED_GAP.sub("  ", plain)) is not None
