"""The description of the API as a page for people: HTML without scripts, and nothing loaded from anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from typing import Any, Final

from service.http.docs_style import STYLE

_PAGE: Final = """\
<!doctype html>
<html lang="zh-CN">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>
<style>{style}</style></head>
<body>
<div class="frame">
<nav aria-label="目录 Contents">
{contents}</nav>
<main>
<h1>{title}</h1>
<div class="lead">
{about}
<p>供程序读取的完整说明 <span lang="en">For programs, with the form of every body and answer</span>：
<a href="/v1/openapi.json">/v1/openapi.json</a></p>
<p>错误代码 <span lang="en">Codes of problems</span>：<a href="/v1/problems">/v1/problems</a></p>
<p>除注明“免登录”的以外，都要在 <code>Authorization</code> 中带会话令牌。
担任多个岗位的，可用 <code>Archive-Role</code> 指明以哪一角色行事。</p>
<p lang="en">All but those marked <i>no session</i> want the session's token in <code>Authorization</code>; who holds several posts may name
the role to act in with <code>Archive-Role</code>.</p>
</div>
{sections}</main>
</div>
</body>
</html>
"""
_CODE: Final = re.compile(r"`([^`]+)`")
_HAN: Final = "\u3000-\u303f\u4e00-\u9fff\uff00-\uffef"
# “登录 Sign in”: Chinese up to the first word that is followed by Chinese no more.
_TWO: Final = re.compile(rf"(?P<zh>.*[{_HAN}][^\sa-zA-Z]*(?:\(\S+\))?) (?P<en>[^{_HAN}]+)", re.DOTALL)
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
# It may go with every operation, and is told of once.
_EVERYWHERE: Final = "Archive-Role"


def page_of(document: dict[str, Any]) -> str:
    """A page that lists every operation of an OpenAPI document, by tag, with its parameters and the members of its body."""
    tags: dict[str, list[str]] = {}
    schemas = document["components"]["schemas"]
    for path, item in document["paths"].items():
        for method, operation in item.items():
            tags.setdefault(operation["tags"][0], []).append(_article(method.upper(), path, operation, schemas))
    info = document["info"]
    return _PAGE.format(
        title=escape(info["title"]),
        style=STYLE,
        about="\n".join(_paragraphs(info["description"])),
        contents="".join(_entry(place, tag, len(articles)) for place, (tag, articles) in enumerate(tags.items())),
        sections="".join(
            f'<section id="part-{place}">\n<h2>{_two(tag)}</h2>\n{"".join(articles)}</section>\n'
            for place, (tag, articles) in enumerate(tags.items())
        ),
    )


def _entry(place: int, tag: str, count: int) -> str:
    found = _TWO.fullmatch(tag)
    return f'<a href="#part-{place}"><span>{escape(found["zh"] if found else tag)}</span> <small>{count}</small></a>\n'


def _article(method: str, path: str, operation: dict[str, Any], schemas: dict[str, Any]) -> str:
    name = escape(operation["operationId"])
    session = "" if operation.get("security") else ' <span class="open">免登录 no session</span>'
    parameters = [
        _member(one["name"], {**one["schema"], "description": one.get("description", "")}, required=one["required"])
        for one in operation.get("parameters", ())
        if one["in"] in {"query", "header"} and one["name"] != _EVERYWHERE
    ]
    body = [
        member
        for content in operation.get("requestBody", {}).get("content", {}).values()
        for member in _members(content["schema"], schemas)
    ]
    return (
        f'<article id="{name}">\n<div class="call"><code><a href="#{name}"><b>{method}</b> {escape(path)}</a></code>{session}</div>\n'
        f"<h3>{_two(operation['summary'])}</h3>\n"
        + "\n".join(_paragraphs(operation["description"]))
        + _list("参数 Parameters", parameters)
        + _list("正文 Body", body)
        + f'\n<p class="answers">应答 Answers: {" ".join(sorted(operation["responses"]))}</p>\n</article>\n'
    )


def _paragraphs(text: str) -> Iterator[str]:
    for part in text.split("\n\n"):
        language = "" if re.search(f"[{_HAN}]", part) else ' lang="en"'
        yield f"<p{language}>{_text(part)}</p>"


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
    title, about = schema.get("title", ""), schema.get("description", "")
    told = [about] if about.startswith(title.partition(" ")[0]) or not re.search(f"[{_HAN}]", title) else [title, about]
    need = " · <em>必填 required</em>" if required else ""
    words = "<br>".join(_text(part) for part in told if part)
    return f"<dt><code>{escape(name)}</code> <small>{_TYPES.get(kind, '任意 any')}{need}</small></dt>\n<dd>{words}{_codes(one)}</dd>\n"


def _codes(schema: dict[str, Any]) -> str:
    codes = [code for code in schema.get("x-codes") or schema.get("enum") or [schema.get("const")] if isinstance(code, str)]
    if not codes or len(codes) > _MOST_CODES:
        return ""
    titles = schema.get("x-titles", {})
    told = (f"<code>{escape(code)}</code> {escape(titles.get(code, ''))}".rstrip() for code in codes)
    return f'<span class="codes">{"".join(f"<span>{one}</span> " for one in told)}</span>'


def _list(heading: str, members: list[str]) -> str:
    if not members:
        return ""
    return f"\n<details>\n<summary>{heading} · {len(members)}</summary>\n<dl>\n{''.join(members)}</dl>\n</details>"


def _two(text: str) -> str:
    """A title in two languages, the English one after the Chinese and quieter."""
    found = _TWO.fullmatch(text)
    return escape(text) if found is None else f'{escape(found["zh"])} <span lang="en">{escape(found["en"])}</span>'


def _text(text: str) -> str:
    """Prose as HTML; what stands between backticks is code."""
    return _CODE.sub(r"<code>\1</code>", escape(text))
