"""One entry of the log as it stands in a copy for other systems, and its columns for a table of rows.

A copy is a function of the published log alone: from (fonds, index, entry) every form of it comes out the same, byte for byte, so that
whoever holds an export of the log can make each line again and compare. `docs/formats/log-copies.md` has the forms.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from audit.kinds import KINDS
from foundation.clock import SHANGHAI, parse_iso
from tlog.merkle import leaf_hash

VERSION: Final = 1
"""Of all forms together: raised whenever one of them writes an entry otherwise than before."""

_compact = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode
# What a table program may take for the beginning of a formula, in any width of letters it is typed in.
_FORMULA: Final = tuple("=+-@\t\r\n＝＋－＠")


@dataclass(frozen=True, slots=True)
class Row:
    """An entry and its place; `members` is its parsed JSON."""

    fonds: str
    index: int
    body: bytes
    leaf: bytes
    members: Mapping[str, Any]

    @classmethod
    def of(cls, fonds: str, index: int, body: bytes) -> Row:
        """The row of an entry; its leaf hash is made from its bytes. ValueError for what is no JSON object of this fonds."""
        members = json.loads(body)
        if not isinstance(members, dict) or members.get("fonds") != fonds:
            raise ValueError("no entry of this fonds")
        return cls(fonds, index, body, leaf_hash(body), members)

    @property
    def kind(self) -> str:
        """The kind of what happened."""
        return str(self.members["kind"])

    @property
    def actor(self) -> Mapping[str, Any]:
        """Who acted."""
        found: Mapping[str, Any] = self.members["actor"]
        return found

    @property
    def about(self) -> Mapping[str, Any]:
        """What it is about, empty where it is about nothing."""
        found: Mapping[str, Any] = self.members.get("object", {})
        return found

    def text(self, name: str) -> str:
        """A member that is a text, empty where it was left out."""
        return str(self.members.get(name, ""))


def _member(name: str) -> Callable[[Row], str]:
    return lambda row: row.text(name)


def _actor(name: str) -> Callable[[Row], str]:
    return lambda row: str(row.actor.get(name, ""))


def _about(name: str) -> Callable[[Row], str]:
    return lambda row: str(row.about.get(name, ""))


def _list(name: str) -> Callable[[Row], str]:
    return lambda row: " ".join(row.members.get(name, ()))


def _json(name: str) -> Callable[[Row], str]:
    return lambda row: compact(row.members[name]) if name in row.members else ""


def _meaning(row: Row) -> str:
    known = KINDS.get(row.kind)
    return "" if known is None else known.zh


# (field, its Chinese heading, its value). The order is part of the form.
COLUMNS: Final[tuple[tuple[str, str, Callable[[Row], str]], ...]] = (
    ("index", "日志序号", lambda row: str(row.index)),
    ("leaf_hash", "叶哈希", lambda row: row.leaf.hex()),
    ("fonds", "全宗", lambda row: row.fonds),
    ("id", "条目编号", _member("id")),
    ("time", "时间（UTC）", _member("time")),
    ("time_beijing", "北京时间", lambda row: f"{parse_iso(row.text('time')).astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}"),
    ("kind", "事件", _member("kind")),
    ("meaning", "事件含义", _meaning),
    ("verdict", "结论", _member("verdict")),
    ("reason", "理由代码", _member("reason")),
    ("actor_role", "角色", _actor("role")),
    ("actor_person", "人员", _actor("person")),
    ("actor_account", "账号", _actor("account")),
    ("actor_unit", "机构", _actor("unit")),
    ("actor_post", "岗位", _actor("post")),
    ("actor_session", "会话", _actor("session")),
    ("actor_assurance", "认证因素数", _actor("assurance")),
    ("actor_client", "来源网络", _actor("client")),
    ("object_kind", "对象种类", _about("kind")),
    ("object_id", "对象编号", _about("id")),
    ("object_version", "对象版本", _about("version")),
    ("purpose", "用途", _member("purpose")),
    ("grant", "授权", _member("grant")),
    ("request_id", "请求编号", _member("request_id")),
    ("policy_version", "规则版本", _member("policy_version")),
    ("fields", "字段", _list("fields")),
    ("cases", "案卷", _list("cases")),
    ("data", "其他数据", _json("data")),
    ("details", "附存内容承诺值", _json("details")),
)
HEADINGS: Final = tuple(f"{zh} {name}" for name, zh, _ in COLUMNS)


def cells(row: Row) -> list[str]:
    """The row's values in the order of `COLUMNS`, none of which a table program takes for a formula."""
    return [unformulated(value(row)) for _, _, value in COLUMNS]


def unformulated(text: str) -> str:
    """`text`, behind an apostrophe where a table program could take it for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def compact(value: Any) -> str:
    """JSON as entries are written: members sorted, no spaces, ASCII."""
    return _compact(value)
