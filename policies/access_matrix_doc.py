"""Renders docs/access-matrix.md from the rulebook, so that what people read is what decides. Chinese first, English beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from policies.actions import ACTIONS, NOT_BUILT
from policies.catalogue import Catalogue
from policies.chain import Chains
from policies.classes import CLASSES, Classes
from policies.level import Level
from policies.limits import BOUNDS, Limits
from policies.matrix import Cell, Matrix
from policies.purposes import USAGES, Purposes
from policies.roles import ROLES, Roles
from policies.rulebook.load import Rulebook

_LEVEL = {Level.WITHHELD: "不给 withheld", Level.MASKED: "脱敏 masked", Level.CLEAR: "明示 clear"}
_MARK = {Level.WITHHELD: "—", Level.MASKED: "脱", Level.CLEAR: "明"}
_FIND = {"no": "", "plain": "检", "text": "文", "identity": "名"}
_RIGHT = {"no": "—", "scope": "范围内", "scope-normal": "范围内·一般", "own": "本人", "approver": "本人·审批", "fonds": "全宗"}
_RELATION = {
    "own-handling": "本人承办 own handling",
    "in-charge": "本人分管 leader in charge",
    "cooperating": "案卷写明的协作部门 cooperating unit",
    "keeping-line": "保管单位及其下属 keeping unit and below",
    "fonds": "全宗 whole fonds",
}
_PLACE = {
    "applicant-line": "申请人所在单位或其上级 the applicant's unit or one around it",
    "keeping-line": "各案卷保管单位或其上级 every case's keeping unit or one around it",
    "case-leader": "各案卷的分管领导本人 every case's leader in charge",
    "fonds": "全宗任一单位 any unit of the fonds",
}

_NOT_BUILT = " **尚未开放 not built yet**"
_MORE = {
    "narrative": " **授权原文即明文给出其中所写的一切**（证件号码、住址、第三人），未列这些字段也一样。"
    "A grant shows **everything written in it** in clear (ID numbers, addresses, third persons), whichever fields the form names."
}
_UNIT = {"days": "天 days", "hours": "小时 hours", "minutes": "分钟 minutes", "characters": "字符 characters", "times": "次 times"}

_HEAD = """# 访问权限矩阵 · Access matrix

本文件由规则文件生成（`policies/rulebook/`），测试保证二者一致；改规则，不改本文件。
This file is rendered from the rulebook; a test holds the two together. Change the rules, not this file.
"""

_HOW = """## 怎样读 · How to read it

- **脱敏视图是每个人的默认视图**，承办人和领导也不例外；明文只凭审批后的授权。
  The masked view is everyone's default; clear text needs a grant.
- 授权只能把所列案卷版本的所列字段，提高到“授权上限”，直到授权结束。A grant raises only the named fields of the named case version, up to
  the cell's limit, until it ends.
- 超出范围、检举控告隔离（条例第三十条）、不存在，三者答复完全相同。Out of scope, behind the accused wall, and absent are answered alike.
- 未知字段、未知角色：不给。Unknown field or role: withheld.
- 出生日期（年龄）只在证件号码为明文的同一视图中出现。Birth date or age appears only beside an ID number in clear.
- 敏感级别为工作秘密、商业信息的案卷，其文本同时受“工作秘密”“商业信息”两类的单元格限制。
  The texts of cases at those levels are capped by these cells.
"""


def render(rulebook: Rulebook) -> str:
    """The whole page, ending in one newline."""
    roles, matrix, classes = rulebook.roles, rulebook.matrix, rulebook.classes
    parts = (
        _HEAD,
        _HOW,
        "\n".join(_roles(roles, matrix)),
        "\n".join(_separation(roles)),
        "\n".join(_cells(roles, matrix, classes)),
        "\n".join(_rights(roles, matrix)),
        "\n".join(_trails(roles, matrix)),
        "\n".join(_chains(rulebook.chains, roles)),
        "\n".join(_purposes(rulebook.purposes, roles)),
        "\n".join(_usages()),
        "\n".join(_limits(rulebook.limits)),
        "\n".join(_fields(classes, rulebook.catalogue)),
    )
    return "\n".join(part.rstrip() + "\n" for part in parts)


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _table(head: list[str], rows: Iterable[list[str]]) -> Iterator[str]:
    yield _row(head)
    yield _row(["---"] * len(head))
    yield from (_row(row) for row in rows)


def _roles(roles: Roles, matrix: Matrix) -> Iterator[str]:
    yield "## 角色 · Roles\n"
    head = ["角色 Role", "说明 About", "看案卷的范围 Scope", "双因素 Two factors", "持有者 Held by"]
    yield from _table(
        head,
        (
            [
                f"{role.zh} `{role.code}`",
                f"{role.about_zh} {role.about_en}",
                "；".join(_RELATION[name] for name in _RELATION if name in matrix.relations_of(role.code)) or "无 none",
                "是 yes" if role.second_factor else "否 no",
                "服务账号 service account" if role.holders == "service" else "自然人 person",
            ]
            for role in (roles.by_code[code] for code in ROLES)
        ),
    )


def _separation(roles: Roles) -> Iterator[str]:
    yield "## 三员分立与不得兼任 · Separation\n"
    yield "✕ 不得由同一人兼任。May not be held by one person.\n"
    head = ["", *(roles.by_code[code].zh for code in ROLES)]
    yield from _table(head, ([roles.by_code[one].zh, *("✕" if two in roles.by_code[one].apart else "" for two in ROLES)] for one in ROLES))


def _cells(roles: Roles, matrix: Matrix, classes: Classes) -> Iterator[str]:
    yield "## 角色 × 字段类 · Role by field class\n"
    yield " · ".join(f"{_MARK[level]} {_LEVEL[level]}" for level in Level) + "。"
    yield "每格：一般保护／从严保护 → 授权上限（导出上限）；检＝可作条件和统计，文＝可检索遮盖稿，名＝可按身份精确检索。"
    yield "Each cell: normal / high protection → most a grant may open (most that may be exported);"
    yield "检 filter and count, 文 search the redacted copy, 名 exact search by identity.\n"
    yield from _table(
        ["", *(classes.by_code[code].zh for code in CLASSES)],
        ([roles.by_code[role].zh, *(_cell(matrix.cell(role, code)) for code in CLASSES)] for role in ROLES),
    )


def _cell(cell: Cell) -> str:
    if cell.shut:
        return _MARK[Level.WITHHELD]
    return f"{_MARK[cell.view]}／{_MARK[cell.high]} → {_MARK[cell.open]}（{_MARK[cell.export]}）{_FIND[cell.find]}"


def _rights(roles: Roles, matrix: Matrix) -> Iterator[str]:
    yield "## 角色 × 操作 · Role by action\n"
    yield "范围内 within scope · 范围内·一般 within scope, normal protection only · 本人 one's own · "
    yield "本人·审批 own, or as an approver · 全宗 whole fonds\n"
    yield from _table(
        ["操作 Action", *(roles.by_code[code].zh for code in ROLES)],
        (
            [
                f"{matrix.actions[action].zh} {matrix.actions[action].en} `{action}`{_NOT_BUILT if action in NOT_BUILT else ''}",
                *(_RIGHT[matrix.right(role, action)] for role in ROLES),
            ]
            for action in ACTIONS
        ),
    )


def _trails(roles: Roles, matrix: Matrix) -> Iterator[str]:
    yield "## 留痕的查询范围 · Who may question what of the trail\n"
    yield from _table(
        ["角色 Role", "条目 Entries", "谁的行为 Whose acts"],
        (
            [
                roles.by_code[role].zh,
                "、".join(sorted(matrix.trail(role).groups)),
                "、".join(roles.by_code[actor].zh for actor in ROLES if actor in matrix.trail(role).actors),
            ]
            for role in ROLES
            if matrix.trail(role).groups
        ),
    )


def _chains(chains: Chains, roles: Roles) -> Iterator[str]:
    yield "## 审批链 · Approval chains\n"
    yield f"批量指 {chains.bulk_from_cases} 件及以上；每份最多 {chains.most_cases} 件；{chains.lapse_working_days} 个工作日无人答复即失效。"
    yield f"Bulk from {chains.bulk_from_cases} cases, at most {chains.most_cases}; lapses after {chains.lapse_working_days} working days.\n"
    for code in sorted(chains.by_code):
        chain = chains.by_code[code]
        who = "、".join(roles.by_code[role].zh for role in ROLES if role in chain.applicants)
        yield f"### {chain.zh} · {chain.en}\n"
        yield f"申请人 Applicants：{who}；种类 kinds：{'、'.join(sorted(chain.kinds))}\n"
        for number, stage in enumerate(chain.stages, start=1):
            rules = " 或 or ".join(f"{roles.by_code[rule.role].zh} @ {_PLACE[rule.place]}" for rule in stage.approvers)
            terms = f"须 {stage.need} 人 needed"
            yield f"{number}. {stage.zh} · {stage.en}：{rules}；{terms}"
        yield ""


def _purposes(purposes: Purposes, roles: Roles) -> Iterator[str]:
    yield "## 查询目的 · Purposes\n"
    yield from _table(
        ["目的 Purpose", "依据 Basis", "用于 Use", "角色 Roles", "最长天数 Days", "最多次数 Openings"],
        (
            [
                f"{one.zh} {one.en} `{code}`",
                f"{one.basis_zh} {one.basis_en}",
                "、".join(sorted(one.uses)),
                "、".join(roles.by_code[role].zh for role in ROLES if role in one.roles),
                str(one.max_days),
                str(one.max_openings),
            ]
            for code, one in sorted(purposes.by_code.items())
        ),
    )


def _usages() -> Iterator[str]:
    yield "## 使用方式 · Usages\n"
    yield "审批表的 `usage` 只能取其一。An access form's `usage` is one of these.\n"
    yield from _table(["代码 Code", "使用方式 Usage"], ([f"`{code}`", f"{zh} {en}"] for code, (zh, en) in USAGES.items()))


def _limits(limits: Limits) -> Iterator[str]:
    yield "## 限额 · Limits\n"
    yield "上下限写在程序中，规则文件不能越过；全宗的附加规则只能收紧，标“可设”的可在上下限内自定。"
    yield "Floor and ceiling are code, which no rulebook passes; an overlay may only tighten, or, where marked open, set within them.\n"
    yield from _table(
        ["限额 Limit", "值 Value", "下限–上限 Bounds", "依据 Source"],
        (
            [
                f"{one.zh} {one.en} `{code}`",
                f"{one.value} {_UNIT[bound.unit]}{'（可设 open）' if one.open else ''}",
                f"{bound.least}–{bound.most}",
                f"{one.source_zh} {one.source_en}",
            ]
            for one, (code, bound) in ((limits.by_code[code], (code, bound)) for code, bound in BOUNDS.items())
        ),
    )


def _fields(classes: Classes, catalogue: Catalogue) -> Iterator[str]:
    paths = {code: sorted(field.path for field in catalogue if field.field_class == code) for code in CLASSES}
    yield "## 字段类 · Field classes\n"
    yield from _table(
        ["类 Class", "说明 About", "字段 Fields"],
        (
            [
                f"{classes.by_code[code].zh} {classes.by_code[code].en} `{code}`",
                f"{classes.by_code[code].about_zh} {classes.by_code[code].about_en}{_MORE.get(code, '')}",
                "、".join(f"`{path}`" for path in paths[code]) or "（暂无 none yet）",
            ]
            for code in CLASSES
        ),
    )
