"""The description of the API as a page for people: plain HTML, which the content policy of every answer lets through as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from typing import Any, Final

_ABOUT = """\
<!doctype html>
<html lang="zh-CN">
<head><meta charset="utf-8"><title>{title}</title></head>
<body>
<h1>{title}</h1>
<p>{about}</p>
<p>供程序读取的完整说明 For programs, with the form of every body: <a href="/v1/openapi.json">/v1/openapi.json</a></p>
<p>错误代码 Codes of problems: <a href="/v1/problems">/v1/problems</a></p>
"""
_CODE: Final = re.compile(r"`([^`]+)`")
_TYPES: Final = {
    "string": "文本 text",
    "integer": "整数 integer",
    "boolean": "是否 true or false",
    "array": "列表 list",
    "object": "对象 object",
    "date-time": "时间 time",
    "date": "日期 date",
}
# A longer list of codes stands in the description for programs.
_MOST_CODES: Final = 24


def page_of(document: dict[str, Any]) -> str:
    """A page that lists every operation of an OpenAPI document, by tag, with its query parameters and the members of its body."""
    info = document["info"]
    about = "</p>\n<p>".join(_text(part) for part in info["description"].split("\n\n"))
    return _ABOUT.format(title=escape(info["title"]), about=about) + "".join(_sections(document)) + "</body>\n</html>\n"


def _sections(document: dict[str, Any]) -> Iterator[str]:
    tags: dict[str, list[str]] = {}
    schemas = document["components"]["schemas"]
    for path, item in document["paths"].items():
        for method, operation in item.items():
            tags.setdefault(operation["tags"][0], []).append(_row(method.upper(), path, operation, schemas))
    for tag, rows in tags.items():
        heading = "<tr><th>接口 Operation</th><th>用途 What for</th><th>需登录 Session</th></tr>"
        yield f"<h2>{escape(tag)}</h2>\n<table>\n{heading}\n{''.join(rows)}</table>\n"


def _row(method: str, path: str, operation: dict[str, Any], schemas: dict[str, Any]) -> str:
    session = "是 yes" if operation.get("security") else "否 no"
    text = f"{_text(operation['summary'])}<br>{_text(operation['description'])}"
    query = [
        _member(one["name"], {**one["schema"], "description": one.get("description", "")}, required=one["required"])
        for one in operation.get("parameters", ())
        if one["in"] == "query"
    ]
    body = [
        member
        for content in operation.get("requestBody", {}).get("content", {}).values()
        for member in _members(content["schema"], schemas)
    ]
    text += _list("查询参数 Query", query) + _list("正文 Body", body)
    return f"<tr><td><code>{method} {escape(path)}</code></td><td>{text}</td><td>{session}</td></tr>\n"


def _members(schema: dict[str, Any], schemas: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """The members of an object, with those of the objects it refers to after them."""
    named = _named(schema, schemas)
    for name, member in named.get("properties", {}).items():
        yield _member(prefix + name, member, required=name in named.get("required", ()))
        yield from _members(member, schemas, f"{prefix}{name}.") if _reference(member) else ()


def _named(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    reference = _reference(schema)
    found: dict[str, Any] = schemas[reference.rpartition("/")[2]] if reference else schema
    return found


def _reference(schema: dict[str, Any]) -> str | None:
    found: str | None = next((one["$ref"] for one in (schema, *schema.get("anyOf", ())) if "$ref" in one), None)
    return found


def _member(name: str, schema: dict[str, Any], *, required: bool) -> str:
    one = next((part for part in schema.get("anyOf", ()) if part.get("type") != "null"), schema)
    kind = one.get("type", "string" if "const" in one else "object")
    kind = next((part for part in kind if part != "null"), "") if isinstance(kind, list) else kind
    kind = one.get("format", kind) if one.get("format") in _TYPES else kind
    about = schema.get("description") or schema.get("title", "")
    told = [schema.get("title", "")] if schema.get("title") and schema["title"] not in about else []
    words = " ".join(_text(part) for part in (*told, about) if part)
    need = "，必填 required" if required else ""
    return f"<li><code>{escape(name)}</code>（{_TYPES.get(kind, '任意 any')}{need}） {words}{_codes(one)}</li>\n"


def _codes(schema: dict[str, Any]) -> str:
    codes = [code for code in schema.get("x-codes") or schema.get("enum") or [schema.get("const")] if isinstance(code, str)]
    if not codes or len(codes) > _MOST_CODES:
        return ""
    titles = schema.get("x-titles", {})
    return "：" + "；".join(f"<code>{escape(code)}</code> {escape(titles.get(code, ''))}".rstrip() for code in codes)


def _list(heading: str, members: list[str]) -> str:
    return f"<p>{heading}</p>\n<ul>\n{''.join(members)}</ul>\n" if members else ""


def _text(text: str) -> str:
    """Prose as HTML; what stands between backticks is code."""
    return _CODE.sub(r"<code>\1</code>", escape(text))
