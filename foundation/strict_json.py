"""JSON that means one thing only (RFC 8259, and I-JSON, RFC 7493): what two parsers could read in two ways is refused."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from foundation.errors import Fault, InvalidInput

_ESCAPED_SURROGATE_OR_NUL = re.compile(rb"\\u(?:[dD][89abAB]|[dD][c-fC-F]|0000)")
# A text that never closes is taken whole: were its closing quote demanded, each quote in it would be tried anew, in quadratic time.
_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)

FAULTS = {
    "too-large": ("内容超过 {limit} 字节的上限。", "The content is larger than {limit} bytes."),
    "too-deep": ("JSON 嵌套超过 {limit} 层。", "The JSON is nested deeper than {limit} levels."),
    "not-utf8": ("内容不是有效的 UTF-8。", "The content is not valid UTF-8."),
    "not-json": ("内容不是有效的 JSON（第 {line} 行第 {column} 列）。", "The content is not valid JSON (line {line}, column {column})."),
    "duplicate-key": ("同一对象中有重复的键。", "An object has the same key twice."),
    "not-a-number": ("NaN 和 Infinity 不是 JSON。", "NaN and Infinity are not JSON."),
    "number-too-large": ("数字超出范围。", "A number is out of range."),
    "lone-surrogate": ("文本含有不成对的代理码位。", "A text holds a lone surrogate."),
    "nul": ("文本含有 NUL 字符。", "A text holds a NUL character."),
}


def loads(data: bytes, *, max_bytes: int = 16 * 1024 * 1024, max_depth: int = 32) -> Any:
    """Parse one JSON text; InvalidInput with one fault (path `$`) that says what to mend and repeats nothing of the input."""
    if len(data) > max_bytes:
        _refuse("too-large", limit=max_bytes)
    _check_depth(data, max_depth)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        _refuse("not-utf8")
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer, parse_float=_number)
    except json.JSONDecodeError as error:
        _refuse("not-json", line=error.lineno, column=error.colno)
    if _ESCAPED_SURROGATE_OR_NUL.search(data):
        _check_texts(value)
    return value


def _check_depth(data: bytes, max_depth: int) -> None:
    # Counted before parsing, so that no input can drive the parser into its recursion limit.
    if data.count(b"[") + data.count(b"{") <= max_depth:
        return
    depth = 0
    for token in _BRACKETS.finditer(data):
        first = token.group()[:1]
        if first in b"[{":
            depth += 1
            if depth > max_depth:
                _refuse("too-deep", limit=max_depth)
        elif first in b"]}":
            depth -= 1


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        _refuse("duplicate-key")
    return value


def _constant(_name: str) -> NoReturn:
    _refuse("not-a-number")


def _integer(text: str) -> int:
    # 2**53 - 1 is the largest integer every JSON parser reads alike (RFC 7493, section 2.2).
    if len(text) > 17 or abs(int(text)) > 2**53 - 1:
        _refuse("number-too-large")
    return int(text)


def _number(text: str) -> float:
    value = float(text) if len(text) <= 64 else float("inf")
    if value in (float("inf"), float("-inf")):
        _refuse("number-too-large")
    return value


def _check_texts(value: Any) -> None:
    if isinstance(value, str):
        if "\0" in value:
            _refuse("nul")
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            _refuse("lone-surrogate")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_texts(key)
            _check_texts(item)
    elif isinstance(value, list):
        for item in value:
            _check_texts(item)


def _refuse(rule: str, **params: int) -> NoReturn:
    zh, en = FAULTS[rule]
    raise InvalidInput([Fault("$", rule, zh.format(**params), en.format(**params))])
