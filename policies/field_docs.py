"""Renders docs/fields.md from the rulebook (`dev.py render`)."""

from __future__ import annotations

from typing import Final

from policies.catalogue import Field
from policies.codes import CodeList
from policies.rulebook.load import Rulebook

_HEAD: Final = """\
# 案卷字段 Fields of the record

本页由规则文件生成，请勿手改。 Rendered from the rulebook (`policies/rulebook/fields.toml`, `codes.toml`); do not edit.

- **必填 Required**：`✓` 组存在时必填，来源未提供的须在 `provenance` 注明 `unknown`；`!` 不得缺；`—` 可缺；`档` 由档案系统生成，报送即拒收。
  `✓` required whenever its group is present, or `unknown` in `provenance`; `!` never absent; `—` optional;
  `档` made by the archive and refused on input.
- **封存 Sealed**：`封` 只以密文保存。 kept under the case's data key only.
- **脱敏 Mask**：脱敏视图显示什么。 what a masked view shows; `withheld` shows nothing.
- **类 Class**：访问矩阵的列（`access-matrix.md`）。 the column of the access matrix.
"""
_COLUMNS: Final = (
    "| 字段 Field | 名称 Label | 类型 Type | 必填 Required | 密级 Classification "
    "| 检索 Search | 脱敏 Mask | 封存 Sealed | 层 Tier | 类 Class | 说明 Note |\n|---|---|---|---|---|---|---|---|---|---|---|"
)


def render(rulebook: Rulebook) -> str:
    """The whole page in Markdown, Chinese and English."""
    catalogue = rulebook.catalogue
    parts = [_HEAD, f"共 {len(catalogue.fields)} 个字段。 {len(catalogue.fields)} fields.\n"]
    for group in catalogue.groups:
        limit = f"（最多 {group.max_items} 项 at most {group.max_items}）" if group.repeated else ""
        parts.append(f"## {group.label_zh} {group.label_en} `{group.name}`{limit}\n")
        parts.append(_COLUMNS)
        parts += [_row(field) for field in catalogue.by_group[group.name].values()]
        parts.append("")
    parts.append("## 不予收集 Never collected\n")
    labels = dict.fromkeys(f"{zh} {en}" for zh, en in catalogue.refused_names.values())
    parts.append("；".join(labels) + "。\n")
    if catalogue.extra_collected:
        parts.append("## 经许可另行采集 Collected by permission\n")
        allowed = catalogue.extra_collected.values()
        parts += [f"- {one.label_zh} {one.label_en}：{one.legal_basis_zh}；{one.legal_basis_en}" for one in allowed]
        parts.append("")
    parts.append("## 代码表 Code lists\n")
    parts.append("代码不变，名称随版本；报送时代码与名称均可。 Codes are stable, names belong to versions; a deposit may use either.\n")
    parts += [_list(code_list) for code_list in rulebook.codes.lists.values()]
    return "\n".join(parts).rstrip() + "\n"


def _row(field: Field) -> str:
    required = "档" if field.made_by_archive else "—" if not field.required else "✓" if field.admits_unknown else "!"
    note = f"{field.note_zh}；{field.note_en}" if field.note_zh else ""
    cells = (
        f"`{field.path}`",
        f"{field.label_zh} {field.label_en}",
        _type(field),
        required,
        field.classification,
        " ".join(sorted(field.search)) or "—",
        field.mask,
        "封" if field.sealed else "—",
        field.tier,
        field.field_class,
        note,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _type(field: Field) -> str:
    if field.code_list:
        return f"{field.type} `{field.code_list}`"
    if field.type == "integer":
        return f"integer {field.minimum}–{field.maximum}"
    return f"{field.type} ≤ {field.max_length}" if field.max_length else field.type


def _list(code_list: CodeList) -> str:
    several = len(code_list.versions) > 1
    rows = []
    for code in code_list.codes.values():
        names = list(dict.fromkeys(code.names.values()))
        rows.append(f"`{code.code}` {' → '.join(names)} ({code.label_en})")
    versions = "；" + "，".join(f"{one.version} ({one.valid_from})" for one in code_list.versions) if several else ""
    return f"- **{code_list.label_zh} {code_list.label_en}** `{code_list.name}`{versions}: " + "; ".join(rows)
