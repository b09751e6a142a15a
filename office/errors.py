"""Errors of the office. Texts name roles and codes, never a person."""

from __future__ import annotations

from foundation.errors import Conflict


class NotOneself(Conflict):
    """Nobody gives themselves a post, takes themselves out of one, or resets, blocks or unblocks their own account."""

    code = "not-oneself"
    zh = "不能为自己任岗、离岗，也不能停用、恢复或重置自己的账号；须由另一位管理员办理。"
    en = "Nobody puts themselves into a post or out of one, nor blocks, unblocks or resets their own account: another one does it."


class LastAdministrator(Conflict):
    """One of the three administrators' offices would stand empty; another holder, without an end date, comes first."""

    code = "last-administrator"
    zh = "这是“{role}”岗位最后一位能够履职的人；须先有另一人不限期任岗且账号可用。"
    en = "This is the last one who can act as “{role}”; somebody else must first hold such a post without an end, with a live account."


class OneRoot(Conflict):
    """A fonds has one root unit, the one it was founded with: it keeps the cases whose own unit is not in the register."""

    code = "one-root"
    zh = "每个全宗只有一个根机构，即建立全宗时的机构；其他机构须有上级。"
    en = "A fonds has one root unit, the one it was founded with; every other unit stands under another."


class AlreadyFounded(Conflict):
    """The database already holds an archive."""

    code = "archive-already-founded"
    zh = "此数据库中已有档案系统，不会再次建立。"
    en = "This database already holds an archive; it is not founded twice."


class NotFounded(Conflict):
    """The database holds no archive yet, or another one than the key ring is of."""

    code = "archive-not-founded"
    zh = "此数据库中尚未建立档案系统，请先运行 petition-archive init。"
    en = "This database holds no archive yet; run `petition-archive init` first."


class FondsExists(Conflict):
    """The fonds code is taken; a fonds is founded once."""

    code = "fonds-exists"
    zh = "全宗 {code} 已存在。"
    en = "The fonds {code} already exists."
