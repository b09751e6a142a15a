"""What petitioners say of the handling is shown singly to nobody who answers for a case, by no view, grant, export, filter or count."""

from __future__ import annotations

import pytest

import decision_world as w
from policies.decide import table_of
from policies.grant_state import Raise
from policies.level import Level
from policies.roles import ROLES

RULES = w.rules()
RATINGS = sorted(field.path for field in RULES.catalogue if field.path.startswith("feedback[]"))
RESPONSIBLE = ("handler", "leader", "collaborator", "principal")


def test_every_field_of_a_rating_is_of_a_class_of_its_own() -> None:
    assert RATINGS == ["feedback[].comment", "feedback[].rated_at", "feedback[].satisfaction", "feedback[].target"]
    assert {RULES.catalogue[path].field_class for path in RATINGS} == {"rating", "rating_text"}
    assert not [field.path for field in RULES.catalogue if field.field_class in {"rating", "rating_text"} and field.path not in RATINGS]


@pytest.mark.parametrize("export", [False, True], ids=["seen", "exported"])
@pytest.mark.parametrize("role", RESPONSIBLE)
def test_who_answers_for_a_case_sees_none_of_its_ratings_even_under_a_grant(role: str, *, export: bool) -> None:
    raises = frozenset(Raise(field.path, Level.CLEAR, "g") for field in RULES.catalogue)
    relation = next(iter(RULES.matrix.relations_of(role)))
    plan = table_of(RULES).plan(
        role=role, relation=relation, protection="normal", sensitivity="internal", walled=False, raises=raises, export=export
    )
    assert plan.withheld >= set(RATINGS)
    assert plan.clear


@pytest.mark.parametrize("role", ROLES)
def test_ratings_are_found_and_counted_only_by_who_looks_over_the_whole_fonds(role: str) -> None:
    found = {path for path in RATINGS if table_of(RULES).find(role, path) != "no"}
    assert not found or RULES.matrix.relations_of(role) == {"fonds"}
    if role == "inspector":
        assert found == {"feedback[].rated_at", "feedback[].satisfaction", "feedback[].target"}
