"""The compiled visibility table against a naive second writing of the same rule, over the whole finite domain."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

import decision_world as w
from policies.classes import is_plain
from policies.grant_state import Raise
from policies.level import Level
from policies.roles import ROLES
from policies.visibility import Table

RULES = w.rules()
TABLE = Table(RULES.matrix, RULES.classes, tuple(RULES.catalogue))
FIELDS = {field.path: field for field in RULES.catalogue}
SENSITIVITIES = ("internal", "personal", "sensitive", "unknown", "work_secret", "business", "never-heard-of")
RAW = w.sources()
FIELD_CLASS = {row["path"]: row["class"] for row in RAW["fields"]["field"]}
ORDER = ["withheld", "masked", "clear"]


def relation_of(role: str) -> str | None:
    return next(iter(RULES.matrix.relations_of(role)), None)


def naive(role: str, path: str, protection: str, sensitivity: str, grant: str | None, id_number: str | None, hold: str) -> str:
    """One field, straight from the parsed TOML, in words: no table, no integers, no caching."""
    if not RAW["matrix"]["relations"].get(role):
        return "withheld"
    code = FIELD_CLASS[path]
    cells = [RAW["matrix"]["cells"][role][code]]
    if code in RAW["classes"]["sensitivity"]["texts"] and sensitivity not in RAW["classes"]["sensitivity"]["uncapped"]:
        if sensitivity not in RAW["classes"]["sensitivity"]["capped_by_class"]:
            return "withheld"
        cells.append(RAW["matrix"]["cells"][role][sensitivity])
    base = lowest(*(cell["view" if protection == "normal" else "high"] for cell in cells))
    level = base if grant is None else highest(base, lowest(grant, *(cell["open"] for cell in cells)))
    level = lowest(level, hold)
    field = FIELDS[path]
    if hold == "withheld":
        return "withheld"
    if level == "masked":
        if field.mask == "none":
            level = "withheld" if field.sealed else "clear"
        elif field.mask == "withheld":
            level = "withheld"
    if path.endswith(("birth_date", ".age")):
        number = naive(role, w.ID_NUMBER, protection, sensitivity, id_number, None, hold)
        level = level if number == "clear" else "withheld"
    return level


def lowest(*words: str) -> str:
    return min(words, key=ORDER.index)


def highest(*words: str) -> str:
    return max(words, key=ORDER.index)


@pytest.mark.parametrize("role", [*ROLES, "no-such-role"])
def test_the_table_equals_the_naive_rule_for_every_field_protection_sensitivity_hold_and_grant(role: str) -> None:
    compared = 0
    for protection, sensitivity, hold in product(("normal", "high", "no-such-level"), SENSITIVITIES, Level):
        for grant, number in product((None, Level.MASKED, Level.CLEAR), repeat=2):
            raises = frozenset(Raise(path, grant, "g") for path in FIELDS if grant and path != w.ID_NUMBER)
            raises |= frozenset({Raise(w.ID_NUMBER, number, "g")} if number else set())
            plan = TABLE.plan(
                role=role,
                relation=relation_of(role),
                protection=protection,
                sensitivity=sensitivity,
                walled=False,
                hold_cap=hold,
                raises=raises,
            )
            for path in FIELDS:
                mine = number if path == w.ID_NUMBER else grant
                want = naive(role, path, protection, sensitivity, mine.word if mine else None, number.word if number else None, hold.word)
                assert plan.level(path).word == want, (path, protection, sensitivity, hold, grant, number)
                compared += 1
    assert compared == 3 * 7 * 3 * 9 * len(FIELDS)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("relation", [None, "own-handling", "in-charge", "cooperating", "keeping-line", "fonds", "colleague"])
def test_behind_a_wall_or_in_a_relation_the_role_may_not_use_everything_is_withheld(role: str, relation: str | None) -> None:
    raises = frozenset(Raise(path, Level.CLEAR, "g") for path in FIELDS)
    usable = relation in RULES.matrix.relations_of(role)
    for walled in (True, False):
        plan = TABLE.plan(role=role, relation=relation, protection="normal", sensitivity="personal", walled=walled, raises=raises)
        if walled or not usable:
            assert plan.withheld == set(FIELDS)
            assert not plan.clear | plan.masked | plan.raised


@given(
    role=st.sampled_from(ROLES),
    paths=st.lists(st.tuples(st.sampled_from([*FIELDS, "x"]), st.sampled_from(Level)), max_size=12),
    dropped=st.integers(0, 11),
    hold=st.sampled_from(Level),
)
def test_fewer_raises_and_a_lower_hold_never_show_more(role: str, paths: list[tuple[str, Level]], dropped: int, hold: Level) -> None:
    def shown(raises: list[tuple[str, Level]], cap: Level) -> dict[str, Level]:
        found = TABLE.plan(
            role=role,
            relation=relation_of(role),
            protection="normal",
            sensitivity="personal",
            walled=False,
            hold_cap=cap,
            raises=frozenset(Raise(path, level, "g") for path, level in raises),
        )
        return dict(found.levels)

    whole = shown(paths, Level.CLEAR)
    fewer = shown(paths[:dropped] + paths[dropped + 1 :], Level.CLEAR)
    held = shown(paths, hold)
    assert all(fewer[path] <= whole[path] for path in FIELDS)
    assert all(held[path] <= whole[path] for path in FIELDS)


def test_without_a_grant_only_plain_facts_are_clear_and_sealed_fields_are_masked_at_the_most() -> None:
    for role, protection, sensitivity in product(ROLES, ("normal", "high"), SENSITIVITIES):
        plan = TABLE.plan(role=role, relation=relation_of(role), protection=protection, sensitivity=sensitivity, walled=False)
        assert all(is_plain(FIELDS[path]) for path in plan.clear)


def test_identity_is_withheld_wholly_at_high_protection() -> None:
    identity = [path for path in FIELDS if TABLE.field_class(path) in {"identity", "sensitive_identity", "contact"}]
    assert w.NAME in identity
    for role in ROLES:
        plan = TABLE.plan(role=role, relation=relation_of(role), protection="high", sensitivity="personal", walled=False)
        assert plan.withheld.issuperset(identity)


def test_what_is_not_seen_in_clear_is_never_filtered_sorted_or_counted_by() -> None:
    for role, path, protection in product(ROLES, FIELDS, ("normal", "high")):
        if TABLE.find(role, path) == "plain":
            plan = TABLE.plan(role=role, relation=relation_of(role), protection=protection, sensitivity="personal", walled=False)
            assert plan.level(path) is Level.CLEAR
    assert TABLE.find("handler", "no_such_field") == TABLE.find("no-such-role", "title") == "no"


def test_an_age_field_added_later_is_covered_by_the_rule_of_the_id_number() -> None:
    name = FIELDS[w.NAME]

    class Age:
        path, mask, sealed, field_class = "petitioners[].age", "name_first_char", True, "identity"

    table = Table(RULES.matrix, RULES.classes, (name, FIELDS[w.ID_NUMBER], Age()))
    plan = table.plan(role="handler", relation="own-handling", protection="normal", sensitivity="personal", walled=False)
    assert plan.level(w.ID_NUMBER) is Level.MASKED
    assert plan.level("petitioners[].age") is Level.WITHHELD
    without = Table(RULES.matrix, RULES.classes, (name, Age()))
    plan = without.plan(role="handler", relation="own-handling", protection="normal", sensitivity="personal", walled=False)
    assert plan.level("petitioners[].age") is Level.WITHHELD


def test_a_field_of_no_class_or_wrongly_called_plain_is_withheld_from_everybody() -> None:
    class Stray:
        path, mask, sealed, field_class = "stray", "none", False, None

    class Sealed:
        path, mask, sealed, field_class = "sealed_fact", "name_first_char", True, "handling_fact"

    table = Table(RULES.matrix, RULES.classes, (Stray(), Sealed()))
    raises = frozenset({Raise("stray", Level.CLEAR, "g"), Raise("sealed_fact", Level.CLEAR, "g")})
    for role in ROLES:
        plan = table.plan(role=role, relation=relation_of(role), protection="normal", sensitivity="personal", walled=False, raises=raises)
        assert plan.withheld == {"stray", "sealed_fact"}
