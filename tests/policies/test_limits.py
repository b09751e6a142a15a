"""The limits of sign-in, sessions and looking: data within bounds that are code, and overlays that only tighten."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest

from policies.errors import RulebookRefused
from policies.limits import BOUNDS
from policies.rulebook import load
from policies.rulebook.load import base, base_sources


def overlay(code: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"limits": {"limits": {code: {"value": value, **more}}}}


def valued(code: str, value: Any) -> dict[str, Any]:
    sources = deepcopy(dict(base_sources()))
    sources["limits"]["limits"][code]["value"] = value
    return sources


@pytest.mark.parametrize("code", BOUNDS)
def test_a_rulebook_that_passes_a_floor_or_ceiling_is_refused_with_its_place(code: str) -> None:
    bound = BOUNDS[code]
    for value in (bound.least, bound.most):
        assert load.compile(valued(code, value), {}).limits.count(code) == value
    wrong: list[Any] = [bound.least - 1, bound.most + 1, True, "5", 5.0]
    for one in wrong:
        with pytest.raises(RulebookRefused) as refused:
            load.compile(valued(code, one), {})
        assert refused.value.params["file"] == "limits"
        assert refused.value.params["where"] == f"limits.{code}.value"


@pytest.mark.parametrize("code", BOUNDS)
def test_an_overlay_tightens_a_limit_and_loosens_only_one_that_is_open(code: str) -> None:
    known, bound = base().limits.by_code[code], BOUNDS[code]
    step = -1 if bound.tighter == "less" else 1
    tighter = load.compile(base_sources(), overlay(code, known.value + step, source_zh="本馆规定", source_en="house rule"))
    assert tighter.limits.count(code) == known.value + step
    assert tighter.limits.by_code[code].source_en == "house rule"
    assert tighter.version != base().version
    if known.open:
        assert load.compile(base_sources(), overlay(code, known.value - step)).limits.count(code) == known.value - step
    else:
        with pytest.raises(RulebookRefused) as refused:
            load.compile(base_sources(), overlay(code, known.value - step))
        assert "only tighten" in refused.value.text_en
    beyond = bound.least - 1 if bound.tighter == "less" else bound.most + 1
    with pytest.raises(RulebookRefused):
        load.compile(base_sources(), overlay(code, beyond))


@pytest.mark.parametrize(
    "layer",
    [
        overlay("no_such_limit", 1),
        overlay("lock_after", "3"),
        overlay("lock_after", True),
        overlay("lock_after", 3, open=True),
        {"limits": {"limits": {"lock_after": {}}}},
        {"limits": {"bounds": {}}},
        {"matrix": {}},
    ],
)
def test_an_overlay_that_does_anything_else_to_the_limits_is_refused(layer: dict[str, Any]) -> None:
    with pytest.raises(RulebookRefused) as refused:
        load.compile(base_sources(), layer)
    assert str(refused.value.params["file"]).startswith("overlay:")


def test_a_limit_that_is_a_time_is_read_in_its_own_unit() -> None:
    limits = base().limits
    assert limits.length("opening_length") == timedelta(minutes=limits.count("opening_length"))
    assert limits.length("session_length") == timedelta(hours=limits.count("session_length"))
    assert limits.length("password_max_age") == timedelta(days=limits.count("password_max_age"))
