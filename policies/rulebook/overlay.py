"""Laying a fonds' overlay over the base: it may add and relabel, never take away or loosen.

An overlay may hold
  fields     `field` (new paths), `label` (other labels for existing paths), `extra_collected` (leave to collect, with its legal basis)
  codes      `list` (new lists; more codes for lists that are open)
  retention  `rule` (tried before the base's), `default_class` with its basis, `depositor_may_shorten`
  limits     values tighter than the base's; where the base says `open`, any within the bounds of `policies.limits`
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from policies.errors import RulebookRefused
from policies.limits import BOUNDS

_LABELS: Final = frozenset({"label_zh", "label_en"})
_RETENTION: Final = frozenset({"default_class", "default_basis_zh", "default_basis_en", "depositor_may_shorten"})


def laid_over(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> Mapping[str, Any]:
    """The merged sources. Raises RulebookRefused where the overlay does what it may not."""
    if not overlay:
        return base
    merged = dict(base)
    for stem, layer in overlay.items():
        lay = _LAYERS.get(stem)
        if lay is None or not isinstance(layer, Mapping):
            raise RulebookRefused(
                file=f"overlay:{stem}", where="(root)", rule="an overlay may not change this file", rule_zh="附加规则不得改动此部分"
            )
        merged[stem] = lay(base[stem], layer)
    return merged


def _refuse(stem: str, where: str, zh: str, en: str) -> RulebookRefused:
    return RulebookRefused(file=f"overlay:{stem}", where=where, rule=en, rule_zh=zh)


def _only(stem: str, layer: Mapping[str, Any], allowed: set[str]) -> None:
    unknown = sorted(set(layer) - allowed)
    if unknown:
        raise _refuse(stem, unknown[0], "附加规则不得有此键", "an overlay may not hold this key")


def _rows(stem: str, layer: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    rows = layer.get(key, [])
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise _refuse(stem, key, "须为表的数组", "must be an array of tables")
    return list(rows)


def _table(stem: str, layer: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    table = layer.get(key, {})
    if not isinstance(table, Mapping) or not all(isinstance(value, Mapping) for value in table.values()):
        raise _refuse(stem, key, "须为表的表", "must be a table of tables")
    return table


def _fields(base: Mapping[str, Any], layer: Mapping[str, Any]) -> dict[str, Any]:
    _only("fields", layer, {"version", "field", "label", "extra_collected"})
    paths = [row["path"] for row in base["field"]]
    added = _rows("fields", layer, "field")
    for row in added:
        if row.get("path") in paths:
            raise _refuse(
                "fields",
                str(row["path"]),
                "基本规则已有此字段，附加规则只能改其名称",
                "the base has this field; an overlay may only relabel it",
            )
        if row.get("made_by") is not None:
            raise _refuse(
                "fields", str(row.get("path")), "附加规则所加字段不能由档案库生成", "the archive makes no field that an overlay adds"
            )
    labels = _table("fields", layer, "label")
    for path, label in labels.items():
        if path not in paths:
            raise _refuse("fields", f"label.{path}", "没有此字段", "no such field")
        if not label or not set(label) <= _LABELS:
            raise _refuse("fields", f"label.{path}", "只能有 label_zh 和 label_en", "only label_zh and label_en")
    relabelled = [{**row, **labels.get(row["path"], {})} for row in base["field"]]
    merged = {**base, "field": [*relabelled, *added]}
    extra = _rows("fields", layer, "extra_collected")
    if extra:
        merged["extra_collected"] = extra
    return merged


def _codes(base: Mapping[str, Any], layer: Mapping[str, Any]) -> dict[str, Any]:
    _only("codes", layer, {"version", "list"})
    lists = dict(base["list"])
    for name, added in _table("codes", layer, "list").items():
        known = lists.get(name)
        if known is None:
            lists[name] = added
        elif known.get("open") is not True:
            raise _refuse("codes", f"list.{name}", "此代码表不开放", "this list is closed")
        else:
            _only("codes", added, {"codes"})
            lists[name] = {**known, "codes": [*known["codes"], *_rows("codes", added, "codes")]}
    return {**base, "list": lists}


def _retention(base: Mapping[str, Any], layer: Mapping[str, Any]) -> dict[str, Any]:
    _only("retention", layer, {"version", "rule", *_RETENTION})
    if "default_class" in layer and not {"default_basis_zh", "default_basis_en"} <= set(layer):
        raise _refuse("retention", "default_class", "另设默认值须写明依据", "another default names its basis")
    settings = {key: value for key, value in layer.items() if key in _RETENTION}
    return {**base, **settings, "rule": [*_rows("retention", layer, "rule"), *base["rule"]]}


def _limits(base: Mapping[str, Any], layer: Mapping[str, Any]) -> dict[str, Any]:
    _only("limits", layer, {"version", "limits"})
    merged = dict(base["limits"])
    for code, set_ in _table("limits", layer, "limits").items():
        bound, known = BOUNDS.get(code), merged.get(code)
        if bound is None or known is None:
            raise _refuse("limits", f"limits.{code}", "没有此限额", "no such limit")
        _only("limits", set_, {"value", "source_zh", "source_en"})
        value = set_.get("value")
        if isinstance(value, bool) or not isinstance(value, int):
            raise _refuse("limits", f"limits.{code}.value", "须为整数", "must be a whole number")
        looser = value > known["value"] if bound.tighter == "less" else value < known["value"]
        if looser and not known["open"]:
            raise _refuse(
                "limits",
                f"limits.{code}.value",
                f"附加规则只能收紧此限额（基本规则为 {known['value']}）",
                f"an overlay may only tighten this limit of {known['value']} {bound.unit}",
            )
        merged[code] = {**known, **set_}
    return {**base, "limits": merged}


_LAYERS: Final = {"fields": _fields, "codes": _codes, "retention": _retention, "limits": _limits}
