"""Cleaning of cells: a closed list of named rules, each small enough to be described in one sentence of docs/import.md.

A rule maps text to text and says nothing more than its name. The raw cell is kept, sealed, beside the cleaned one, together with the
names of the rules that changed it; so no rule can lose anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final
from unicodedata import normalize

_ESCAPED: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")
_ESCAPED_LINE_END: Final = re.compile(r"(?:_x000D_)(?:\r?\n|_x000A_)?")
_WIDE_SPACES: Final = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_ZERO_WIDTH: Final = re.compile("[\u200b\u2060\ufeff\u00ad]")
_TABS: Final = re.compile("[\t\v\f]+")
_RUNS: Final = re.compile(r"(?<=\S) {2,}(?=\S)")
_LINE_EDGES: Final = re.compile(r"^[ \t\u3000\u00a0]+|[ \t\u3000\u00a0]+$", re.MULTILINE)
_BLANK_LINES: Final = re.compile(r"\n{3,}")
_LINE_BREAKS: Final = re.compile(r"\s*\n\s*")


def _excel_escapes(text: str) -> str:
    if "_x" not in text:
        return text
    text = _ESCAPED_LINE_END.sub("\n", text)
    # Only what a cell could not hold otherwise was escaped by the writer: controls, and the underscore that begins an escape.
    return _ESCAPED.sub(lambda hit: chr(code) if (code := int(hit[1], 16)) in (0x09, 0x0A, 0x5F) else "" if code < 0x20 else hit[0], text)


RULES: Final[dict[str, Callable[[str], str]]] = {
    "excel-escapes": _excel_escapes,
    "line-ends": lambda text: text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n\n"),
    "tabs": lambda text: _TABS.sub(" ", text),
    "wide-spaces": lambda text: _WIDE_SPACES.sub(" ", text),
    "zero-width": lambda text: _ZERO_WIDTH.sub("", text),
    "edges": lambda text: _LINE_EDGES.sub("", text).strip(),
    "runs": lambda text: _RUNS.sub(" ", text),
    "blank-lines": lambda text: _BLANK_LINES.sub("\n\n", text),
    "one-line": lambda text: _LINE_BREAKS.sub(" ", text),
    "full-width": lambda text: normalize("NFKC", text),
    "no-spaces": lambda text: re.sub(r"\s+", "", text),
}
"""Every cleaning rule by name, in the order in which the defaults apply them."""

TEXT: Final = ("excel-escapes", "line-ends", "tabs", "wide-spaces", "zero-width", "edges", "runs", "blank-lines")
LINE: Final = ("excel-escapes", "line-ends", "tabs", "wide-spaces", "zero-width", "one-line", "edges", "runs")
CODE: Final = ("excel-escapes", "zero-width", "full-width", "edges")


def clean(text: str, rules: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Apply the rules in their order; return the text and the names of those that changed it."""
    changed = []
    for name in rules:
        cleaned = RULES[name](text)
        if cleaned != text:
            changed.append(name)
            text = cleaned
    return text, tuple(changed)
