"""Only the judge makes a Permit."""

from __future__ import annotations

import ast
import copy
import pickle
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import pytest

import decision_world as w
from policies import permit as permit_module
from policies.decide import decide
from policies.level import Level
from policies.permit import REFUSALS, Permit, Refusal

ROOT = Path(permit_module.__file__).resolve().parent.parent
RULES = w.rules()


def made() -> Permit:
    answer = decide(w.person("p1", "handler", "A1"), "case.open", w.case(), (w.grant(),), w.NOW, RULES)
    assert isinstance(answer, Permit)
    return answer


VALUES: dict[str, Any] = {
    "action": "case.open",
    "fonds": w.FONDS,
    "account_id": "a",
    "person_id": "p",
    "role": "handler",
    "rule": "",
    "policy_version": "v",
    "at": w.NOW,
}


@pytest.mark.parametrize("seal", [None, object(), True, "seal", Permit])
def test_a_permit_cannot_be_constructed_with_a_seal_of_ones_own(seal: object) -> None:
    with pytest.raises(TypeError):
        Permit(seal=seal, **VALUES)


def test_a_permit_cannot_be_constructed_without_a_seal() -> None:
    with pytest.raises(TypeError):
        Permit(**VALUES)


def test_a_permit_cannot_be_altered_replaced_copied_pickled_or_subclassed() -> None:
    one = made()
    with pytest.raises((FrozenInstanceError, TypeError)):
        one.action = "case.export"  # type: ignore[misc]
    with pytest.raises((TypeError, ValueError)):
        replace(one, object_id="c2")  # type: ignore[call-arg]
    for act in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            act(one)
    with pytest.raises(TypeError):
        type("Forged", (Permit,), {})


def test_the_levels_of_a_permit_cannot_be_altered() -> None:
    one = made()
    assert one.view is not None
    with pytest.raises(TypeError):
        one.view.levels["content"] = Level.CLEAR  # type: ignore[index]


def test_a_permit_allows_nothing_of_another_case_or_version() -> None:
    one = made()
    assert w.NAME in one.clear("c1", 1)
    assert one.clear("c2", 1) == one.clear("c1", 2) == frozenset()


def test_no_module_of_the_project_but_permit_and_decide_names_the_seal() -> None:
    rooms = ("acts", "archive", "audit", "auth", "foundation", "office", "policies", "reviews", "sdk", "service", "tlog", "vault")
    naming = set()
    for room in rooms:
        for file in (ROOT / room).rglob("*.py"):
            names = {
                getattr(node, key, None) for node in ast.walk(ast.parse(file.read_text("utf-8"))) for key in ("id", "attr", "name", "value")
            }
            if "_SEAL" in {name for name in names if isinstance(name, str)}:
                naming.add(file.relative_to(ROOT).as_posix())
    assert naming == {"policies/permit.py", "policies/decide.py"}


def test_the_cause_of_a_refusal_never_shows_in_the_value() -> None:
    walled, absent = Refusal("case-not-found", cause="wall"), Refusal("case-not-found", cause="absent")
    assert walled == absent
    assert hash(walled) == hash(absent)
    assert repr(walled) == repr(absent)
    assert (walled.zh, walled.en) == (absent.zh, absent.en)
    assert walled.alarm
    assert not absent.alarm


def test_every_refusal_has_words_in_both_languages() -> None:
    assert all(zh and en and zh != en for zh, en in REFUSALS.values())
    for code in REFUSALS:
        assert Refusal(code).zh
        assert Refusal(code).en
