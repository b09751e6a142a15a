"""Folding text for recognition, one character to one character, so that every offset stays an offset of the original.

What NFKC does to single characters (full-width, circled and mathematical digits and letters) is done here by a table; invisible
characters and spaces are not replaced but left out of a second view that remembers where each character came from.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from unicodedata import decimal, digit, normalize

from policies.characters import ZERO_WIDTH

INVISIBLE: Final = f"{ZERO_WIDTH}\ufe00-\ufe0f\u20e3\U000e0100-\U000e01ef"
_INVISIBLE: Final = re.compile(f"[{INVISIBLE}]")
_SPACED: Final = re.compile(r"\s(?:(?<=[^\x00-\x7f]\s)|(?=[^\x00-\x7f]))")
_GAP: Final = re.compile(r"[\s·]")
PARTING: Final = "\x00"
"""Between texts that are looked through as one: no pattern reaches across it, and no text that was let in holds it."""
_DOTS: Final = "•・‧∙⋅･᛫●"
_READ_OUT: Final = ("〇零○", "一壹幺弌〡", "二贰两貳弍〢", "三叁參弎〣", "四肆〤", "五伍〥", "六陆陸〦", "七柒〧", "八捌〨", "九玖〩")
NUMERALS: Final = {character: str(value) for value, characters in enumerate(_READ_OUT) for character in characters}
"""Chinese numerals as they are read out in telephone numbers, and those of merchants (〡〢〣)."""
_NUMERAL: Final = re.compile(f"[{''.join(NUMERALS)}]")
_PARTS_NUMBERS: Final = re.compile(r"[\s\-‐-―－·._()]+")


def _one_to_one() -> dict[int, int]:
    """Characters whose NFKC form, upper-cased, is one other character; digits of every script; Latin letters to upper case."""
    table: dict[int, int] = {}
    ranges = (
        (0x21, 0x250), (0x660, 0x6FF), (0x2000, 0x2BFF), (0x3000, 0x3400), (0xF900, 0xFB00), (0xFE10, 0xFFF0),
        (0x1D400, 0x1D800), (0x1F100, 0x1F170), (0x1FBF0, 0x1FBFA),
    )  # fmt: skip
    for start, stop in ranges:
        for point in range(start, stop):
            character = chr(point)
            folded = normalize("NFKC", character).upper()
            number = decimal(character, None)
            if number is None:
                number = digit(character, None)
            if number is not None:
                folded = str(number)
            if len(folded) == 1 and folded != character and not _INVISIBLE.match(character):
                table[point] = ord(folded)
    # Digits of every script: Tibetan and Mongolian ones are of this country too.
    table.update({point: ord(str(decimal(chr(point)))) for point in range(0x660, 0x10000) if decimal(chr(point), None) is not None})
    table.update({ord(character): ord("·") for character in _DOTS})
    # Brackets, stops and spaces need no folding to be recognised, and the dash of a range stays what it is.
    for number in range(1, 10):
        table[0x2488 + number - 1] = table[0x2474 + number - 1] = ord(str(number))
    return table


class _Fold(dict[int, int]):
    """A translation table that answers itself for what it does not know: `str.translate` is slow on misses."""

    def __missing__(self, point: int) -> int:
        return point


_TABLE: Final = _Fold({**{point: point for point in range(0x4E00, 0xA000)}, **{point: point for point in range(0x80)}, **_one_to_one()})
_CHANGED: Final = {chr(point): chr(folded) for point, folded in _TABLE.items() if point != folded and point < 0x10000}
# What of a text changes at all. Few characters do, each often (，：。), and replacing these is faster than looking every character up.
_CHANGES: Final = re.compile(f"[{re.escape(''.join(sorted(_CHANGED)))}\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Folded:
    """`text` for matching. `gaps` tells where characters of the original were left out: for each, in order, the offset in `text` of what
    stood behind it.
    """

    text: str
    gaps: Sequence[int] = ()

    def origin(self, index: int) -> int:
        """The offset in the original of a character of `text`."""
        return index + bisect_right(self.gaps, index)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The span of the original that a span of `text` covers, characters left out inside it included."""
        return (self.origin(start), self.origin(end - 1) + 1) if self.gaps else (start, end)


def fold(text: str) -> Folded:
    """One width, one case, one dot, nothing invisible."""
    folded = _folded(text)
    return Folded(folded) if _INVISIBLE.search(folded) is None else _without(_INVISIBLE, folded)


def _without(pattern: re.Pattern[str], text: str) -> Folded:
    """A text without the single characters of a pattern."""
    gaps = [found.start() - number for number, found in enumerate(pattern.finditer(text))]
    return Folded(pattern.sub("", text), gaps)


def _folded(text: str) -> str:
    changing = set(_CHANGES.findall(text))
    if not changing:
        return text
    if len(changing) > 12 or not _CHANGED.keys() >= changing:
        return text.translate(_TABLE)
    # No character becomes one that changes further, so the order of the replacements does not matter.
    for character in changing:
        text = text.replace(character, _CHANGED[character])
    return text


def squeeze(folded: Folded) -> Folded | None:
    """The same without white space and dots, where a name could hide; None where there is nothing to take out. Of parted texts, each
    is squeezed or left by itself.
    """
    text = folded.text
    if _SPACED.search(text) is None and "·" not in text:
        return None
    taken: list[int] = []
    parts = text.split(PARTING)
    start = 0
    for number, part in enumerate(parts):
        if _SPACED.search(part) is not None or "·" in part:
            taken += [start + found.start() for found in _GAP.finditer(part)]
            parts[number] = _GAP.sub("", part)
        start += len(part) + 1
    if folded.gaps:
        taken = sorted([folded.origin(at) for at in taken] + [gap + number for number, gap in enumerate(folded.gaps)])
    return Folded(PARTING.join(parts), [at - number for number, at in enumerate(taken)])


def digits(text: str) -> str:
    """Chinese numerals to digits, length kept."""
    for numeral in set(_NUMERAL.findall(text)):
        text = text.replace(numeral, NUMERALS[numeral])
    return text


def key(value: str) -> str:
    """A known value in the form it is searched by: folded, without spaces, hyphens, dots and brackets."""
    return _PARTS_NUMBERS.sub("", fold(value).text)
