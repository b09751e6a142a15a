"""Forms of single strings: how strictly characters are judged, and the few closed forms a field may ask for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from unicodedata import normalize


@dataclass(frozen=True, slots=True)
class Format:
    """`strictness` is a key of characters.REFUSED; `pattern` must match the whole string where there is one."""

    strictness: str
    want_zh: str
    want_en: str
    pattern: re.Pattern[str] | None = None
    compatible: bool = False
    """True where the pattern is held against the NFKC form: full-width digits are digits."""

    def fits(self, text: str) -> bool:
        if self.pattern is None:
            return True
        return self.pattern.fullmatch(normalize("NFKC", text) if self.compatible and not text.isascii() else text) is not None


FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        "line": Format("line", "单行文字", "one line of text"),
        "name": Format("name", "单行名称", "a name on one line"),
        "code": Format("code", "不含空格的代码", "a code without spaces"),
        # As the register takes them: no case can name what could not be registered, and no name of a person fits.
        "register-code": Format(
            "code",
            "登记代码（英文字母、数字和 - _ . / :）",
            "a code of the register (ASCII letters, digits and - _ . / :)",
            re.compile(r"[A-Za-z0-9_.:/\-]+"),
        ),
        "telephone": Format(
            "name",
            "电话号码",
            "a telephone number",
            re.compile(r"(?=[^0-9]*[0-9][^0-9]*[0-9][^0-9]*[0-9])[0-9 +\-‐-―()#*/,;、转分机EXText.]+"),
            compatible=True,
        ),
        "email": Format("name", "电子邮件地址", "an e-mail address", re.compile(r"[^\s@]{1,64}@[^\s@]{1,255}")),
        # GB/T 2260 with six digits; nine and twelve with the township and village parts of GB/T 10114.
        "area-code": Format(
            "code", "6、9 或 12 位行政区划代码", "an area code of 6, 9 or 12 digits", re.compile(r"[1-9][0-9]{5}(?:[0-9]{3}){0,2}")
        ),
        "media-type": Format(
            "code",
            "媒体类型（如 application/pdf）",
            "a media type such as application/pdf",
            re.compile(r"[a-z0-9.+\-]{1,60}/[a-z0-9.+\-]{1,60}"),
        ),
        "file-name": Format("line", "不含路径的文件名", "a file name without a path", re.compile(r"(?!\.{1,2}$)[^/\\:*?\"<>|]+")),
    }
)
