"""Laying a fonds' overlay over the base: it may add and relabel, never take away or loosen.

An overlay may hold
  fields     `field` (new paths), `label` (other labels for existing paths), `extra_collected` (leave to collect, with its legal basis)
  codes      `list` (new lists; more codes for lists that are open)
  retention  `rule` (tried before the base's), `default_class` with its basis, `depositor_may_shorten`
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from policies.errors import RulebookRefused

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
            raise RulebookRefused(file=f"overlay:{stem}", where="(root)", rule="an overlay may not change this file")
        merged[stem] = lay(base[stem], layer)
    return merged


def _refuse(stem: str, where: str, rule: str) -> RulebookRefused:
    return RulebookRefused(file=f"overlay:{stem}", where=where, rule=rule)


def _only(stem: str, layer: Mapping[str, Any], allowed: set[str]) -> None:
    unknown = sorted(set(layer) - allowed)
    if unknown:
        raise _refuse(stem, unknown[0], "an overlay may not hold this key")


def _rows(stem: str, layer: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    rows = layer.get(key, [])
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise _refuse(stem, key, "must be an array of tables")
    return list(rows)


def _table(stem: str, layer: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    table = layer.get(key, {})
    if not isinstance(table, Mapping) or not all(isinstance(value, Mapping) for value in table.values()):
        raise _refuse(stem, key, "must be a table of tables")
    return table


def _fields(base: Mapping[str, Any], layer: Mapping[str, Any]) -> dict[str, Any]:
    _only("fields", layer, {"version", "field", "label", "extra_collected"})
    paths = {row["path"] for row in base["field"]}
    added = _rows("fields", layer, "field")
    for row in added:
        if row.get("path") in paths:
            raise _refuse("fields", str(row["path"]), "the base has this field; an overlay may only relabel it")
        if row.get("made_by") is not None:
            raise _refuse("fields", str(row.get("path")), "the archive makes no field that an overlay adds")
    labels = _table("fields", layer, "label")
    for path, label in labels.items():
        if path not in paths:
            raise _refuse("fields", f"label.{path}", "no such field")
        if not label or not set(label) <= _LABELS:
            raise _refuse("fields", f"label.{path}", "only label_zh and label_en")
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
            raise _refuse("codes", f"list.{name}", "this list is closed")
        else:
            _only("codes", added, {"codes"})
            lists[name] = {**known, "codes": [*known["codes"], *_rows("codes", added, "codes")]}
    return {**base, "list": lists}


def _retention(base: Mapping[str, Any], layer: Mapping[str, Any]) -> dict[str, Any]:
    _only("retention", layer, {"version", "rule", *_RETENTION})
    if "default_class" in layer and not {"default_basis_zh", "default_basis_en"} <= set(layer):
        raise _refuse("retention", "default_class", "another default names its basis")
    settings = {key: value for key, value in layer.items() if key in _RETENTION}
    return {**base, **settings, "rule": [*_rows("retention", layer, "rule"), *base["rule"]]}


_LAYERS: Final = {"fields": _fields, "codes": _codes, "retention": _retention}
