"""The rules for names, titles and codes that people give to units, posts, persons and case systems."""

from __future__ import annotations

from audit.forms import is_code
from foundation.errors import Fault


def name_faults(**given: tuple[str, int]) -> list[Fault]:
    """What is wrong with names: each given as (text, most characters) under the name of its member."""
    return [
        Fault(member, "length", f"须为 1 至 {most} 个可见字符，首尾无空白。", f"1 to {most} visible characters, no outer blanks.")
        for member, (text, most) in given.items()
        if not text.strip() or text != text.strip() or len(text) > most or not text.isprintable()
    ]


def code_faults(**given: str) -> list[Fault]:
    """What is wrong with codes of units, staff and case systems: the log and the records have no form for other text."""
    return [
        Fault(member, "shape", "只能用英文字母、数字和 _.:/-。", "Only ASCII letters, digits and _.:/- are taken.")
        for member, text in given.items()
        if not is_code(text) or set("[]") & set(text)
    ]
