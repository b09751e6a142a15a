"""A rulebook file that is incomplete, misspelt or loosened is refused when it loads."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import decision_world as w
from policies import calendar, chain, classes, limits, matrix, purposes, roles
from policies.actions import ACTIONS
from policies.classes import CLASSES
from policies.errors import RulebookRefused
from policies.matrix import Cell
from policies.roles import KINDS, ROLES

LOADERS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "roles": roles.load,
    "classes": classes.load,
    "matrix": matrix.load,
    "chains": chain.load,
    "purposes": purposes.load,
    "calendar": calendar.load,
    "limits": limits.load,
}
SOURCES = w.sources()


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every table of a parsed file, by its path."""
    if isinstance(value, Mapping):
        yield path
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, (*path, index))


def at(file: str, path: tuple[str | int, ...]) -> Any:
    found: Any = SOURCES[file]
    for key in path:
        found = found[key]
    return found


def spoiled(file: str, path: tuple[str | int, ...], change: Callable[[Any], None]) -> dict[str, Any]:
    sources = {**SOURCES, file: copy.deepcopy(SOURCES[file])}
    found: Any = sources[file]
    for key in path:
        found = found[key]
    change(found)
    return sources


def refused(file: str, path: tuple[str | int, ...], change: Callable[[Any], None]) -> None:
    with pytest.raises(RulebookRefused):
        LOADERS[file](spoiled(file, path, change))


def put(key: str, value: Any) -> Callable[[Any], None]:
    return lambda table: table.__setitem__(key, value)


# Tables whose keys are names the file itself chooses; dropping one is a smaller rulebook, not a gap.
OPEN_TABLES = {("classes", ("fields",)), ("purposes", ("purposes",)), ("calendar", ("years",))}
TABLES = [(file, path) for file in LOADERS for path in places(SOURCES[file])]
KEYS = [(file, path, key) for file, path in TABLES for key in at(file, path) if (file, path) not in OPEN_TABLES]


@given(place=st.sampled_from(TABLES))
def test_an_unknown_key_anywhere_is_refused(place: tuple[str, tuple[str | int, ...]]) -> None:
    refused(*place, put("viwe", "clear"))


@given(place=st.sampled_from(KEYS))
def test_a_missing_key_anywhere_is_refused(place: tuple[str, tuple[str | int, ...], str]) -> None:
    file, path, key = place
    refused(file, path, lambda table: table.pop(key))


@given(place=st.sampled_from(KEYS), value=st.sampled_from([None, 0, -1, "", "perhaps", [], {}, [1], True, 1.5]))
def test_a_value_of_another_kind_is_refused_or_means_what_it_says(place: tuple[str, tuple[str | int, ...], str], value: Any) -> None:
    file, path, key = place
    sources = spoiled(file, path, put(key, value))
    try:
        LOADERS[file](sources)
    except RulebookRefused:
        return
    assert type(at(file, path)[key]) is type(value) or isinstance(value, str)


@pytest.mark.parametrize("role", ROLES)
def test_every_cell_of_every_role_is_written(role: str) -> None:
    loaded = matrix.load(SOURCES)
    assert {code for code in CLASSES if (role, code) in loaded.cells} == set(CLASSES)
    assert {action for action in ACTIONS if (role, action) in loaded.rights} == set(ACTIONS)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("code", CLASSES)
def test_no_cell_may_make_sealed_content_clear_without_a_grant_nor_high_more_than_normal(role: str, code: str) -> None:
    row = SOURCES["matrix"]["cells"][role][code]
    if not SOURCES["classes"]["classes"][code]["plain"]:
        refused("matrix", ("cells", role), put(code, {**row, "view": "clear", "open": "clear"}))
        refused("matrix", ("cells", role), put(code, {**row, "find": "plain"}))
    if row["view"] != "clear":
        refused("matrix", ("cells", role), put(code, {**row, "high": "clear"}))
    if row["open"] != "clear":
        refused("matrix", ("cells", role), put(code, {**row, "export": "clear"}))


@pytest.mark.parametrize("role", [role for role, kind in KINDS.items() if kind in {"admin", "machine"}])
def test_no_rulebook_can_show_case_content_to_an_administrator_or_a_machine(role: str) -> None:
    for code in CLASSES:
        shown = {"view": "masked", "high": "withheld", "open": "masked", "find": "no", "export": "withheld"}
        refused("matrix", ("cells", role), put(code, shown))
    for action, about in ACTIONS.items():
        if about in {"case", "filing", "request"}:
            refused("matrix", ("rights", role), put(action, "scope" if about != "request" else "own"))
    refused("matrix", ("relations",), put(role, ["fonds"]))


@pytest.mark.parametrize("role", ROLES)
def test_no_rulebook_can_show_a_secret_to_anybody(role: str) -> None:
    shown = {"view": "withheld", "high": "withheld", "open": "clear", "find": "no", "export": "withheld"}
    refused("matrix", ("cells", role), put("secret", shown))


def test_an_outsider_cannot_be_given_cases_under_high_protection_or_openings() -> None:
    refused("matrix", ("rights", "external_supervisor"), put("case.view", "scope"))
    refused("matrix", ("rights", "external_supervisor"), put("case.open", "scope-normal"))
    refused("matrix", ("rights", "external_supervisor"), put("request.file", "scope"))


def test_text_withheld_at_high_protection_cannot_be_searched_there() -> None:
    refused("matrix", ("rights", "handler"), put("case.search_text", "scope"))
    refused("matrix", ("rights", "handler"), put("case.search_identity", "scope"))


def test_who_decides_needs_a_second_factor() -> None:
    with pytest.raises(RulebookRefused):
        matrix.load(spoiled("roles", ("roles", "leader"), put("second_factor", False)))


@pytest.mark.parametrize("one", ["sysadmin", "secadmin", "auditadmin"])
def test_the_three_administrators_cannot_be_joined_to_each_other_or_to_business(one: str) -> None:
    for other in set(ROLES) - {one}:

        def join(table: Any, other: str = other) -> None:
            table[one]["apart"].remove(other)
            table[other]["apart"].remove(one)

        refused("roles", ("roles",), join)
    refused("roles", ("roles", one), put("second_factor", False))


def test_separation_written_on_one_side_only_is_refused() -> None:
    refused("roles", ("roles", "handler", "apart"), lambda apart: apart.remove("sysadmin"))


def test_only_the_depositor_is_held_by_a_machine() -> None:
    loaded = roles.load(SOURCES)
    assert [role for role in ROLES if loaded.may_be_held_by(role, "service")] == ["depositor"]
    assert not loaded.may_be_held_by("depositor", "person")
    assert not loaded.may_be_held_by("nobody", "person")
    refused("roles", ("roles", "handler"), put("holders", "service"))


@given(held=st.sets(st.sampled_from(ROLES)))
def test_roles_clash_exactly_where_one_of_the_three_an_outsider_or_a_machine_meets_another(held: set[str]) -> None:
    clashes = bool(roles.load(SOURCES).clashes(held))
    alone = [role for role in held if KINDS[role] != "business"]
    assert clashes == (bool(alone) and len(held) > 1)
    assert roles.load(SOURCES).clashes({*held, "no-such-role"})


# ---------------------------------------------------------------------------------------------- classes


def test_every_field_of_the_catalogue_has_exactly_one_class_and_plain_means_plain() -> None:
    rules = w.rules()
    classes.check(rules.classes, rules.catalogue)
    assert all(rules.classes.class_of(field) == field.field_class for field in rules.catalogue)


@pytest.mark.parametrize(
    ("path", "code"), [("content", "handling_fact"), ("petitioners[].name", "retention"), ("content", "no_such_class")]
)
def test_a_field_of_no_known_class_or_a_sealed_field_called_plain_is_refused(path: str, code: str) -> None:
    fields = [replace(field, field_class=code) if field.path == path else field for field in w.rules().catalogue]
    with pytest.raises(RulebookRefused):
        classes.check(w.rules().classes, fields)


@pytest.mark.parametrize("code", ["rating", "rating_text"])
@pytest.mark.parametrize("role", ROLES)
def test_only_who_looks_over_the_whole_fonds_can_be_shown_a_single_rating(role: str, code: str) -> None:
    visible = {"view": "masked", "high": "withheld", "open": "masked", "find": "no", "export": "withheld"}
    spoilt = spoiled("matrix", ("cells", role), put(code, visible))
    if w.rules().matrix.relations_of(role) == {"fonds"}:
        matrix.load(spoilt)
    else:
        with pytest.raises(RulebookRefused):
            matrix.load(spoilt)


def test_the_rule_of_birth_date_beside_the_id_number_cannot_be_dropped() -> None:
    refused("classes", (), put("beside", []))
    refused("classes", ("beside", 0), put("names", ["age"]))
    refused("classes", ("beside", 0), put("needs_clear", "title"))
    lost = [field for field in w.rules().catalogue if field.path != w.ID_NUMBER]
    with pytest.raises(RulebookRefused):
        classes.check(w.rules().classes, lost)


# ---------------------------------------------------------------------------------------------- chains


@pytest.mark.parametrize("need", [0, -1, None, "", "none", True, False, 1.0, "0", []])
def test_a_stage_with_zero_negative_or_no_number_of_approvals_is_refused(need: Any) -> None:
    refused("chains", ("chains", "standard", "stages", 0), put("need", need))
    refused("chains", ("chains", "standard", "stages", 1), lambda stage: stage.pop("need"))


def test_a_chain_without_stages_or_a_stage_without_approvers_is_refused() -> None:
    refused("chains", ("chains", "standard"), put("stages", []))
    refused("chains", ("chains", "standard", "stages", 0), put("approvers", []))


@pytest.mark.parametrize("role", ["handler", "inspector", "sysadmin", "depositor", "nobody", "archivist"])
def test_a_role_that_may_not_decide_cannot_be_an_approver(role: str) -> None:
    refused("chains", ("chains", "standard", "stages", 0, "approvers", 0), put("role", role))


def test_a_kind_of_request_with_no_chain_or_two_is_refused() -> None:
    refused("chains", ("chains",), lambda table: table.pop("careful"))
    refused("chains", ("chains", "standard"), put("kinds", ["single", "bulk"]))
    refused("chains", ("chains", "standard", "applicants"), lambda names: names.remove("inspector"))


def test_the_order_of_chains_in_the_file_never_matters() -> None:
    def turned(table: Any) -> None:
        for code in list(table)[::-1]:
            table[code] = table.pop(code)

    loaded, turned_over = chain.load(SOURCES), chain.load(spoiled("chains", ("chains",), turned))
    every = [(w.case(),), (w.accusation(),), tuple(w.case(case_id=f"c{n}") for n in range(12))]
    for role in ROLES:
        for facts in every:
            assert loaded.choose(role, facts) == turned_over.choose(role, facts)


# ---------------------------------------------------------------------------------------------- purposes


@pytest.mark.parametrize("words", ["重点人员稳控", "进京截访", "劝返接回", "watching petitioners", "to dissuade", "Interception"])
def test_a_purpose_turned_against_petitioners_is_refused(words: str) -> None:
    refused("purposes", ("purposes", "review"), put("zh", words))
    refused("purposes", ("purposes", "review"), put("en", words))
    code = words.replace(" ", "_")
    refused("purposes", ("purposes",), lambda table: table.__setitem__(code, {**table["review"]}))


def test_every_purpose_has_a_basis_and_limits_and_only_named_roles_and_uses() -> None:
    loaded = purposes.load(SOURCES)
    for one in loaded.by_code.values():
        assert one.basis_zh
        assert one.basis_en
        assert one.max_days >= 1
        assert one.max_openings >= 1
        for role in ROLES:
            for use in ("request", "search"):
                assert (loaded.allowed(one.code, use, role) is one) == (role in one.roles and use in one.uses)
    assert loaded.allowed(None, "search", "handler") is loaded.allowed("稳控", "request", "handler") is None


def test_a_file_that_is_missing_is_refused_by_every_loader() -> None:
    for file, load in LOADERS.items():
        with pytest.raises(RulebookRefused):
            load({name: value for name, value in SOURCES.items() if name != file})


def test_an_unknown_role_or_class_has_only_closed_cells() -> None:
    loaded = matrix.load(SOURCES)
    closed: Cell = loaded.cell("nobody", "identity")
    assert closed.shut
    assert loaded.cell("handler", "no-such-class").shut
    assert loaded.cell("handler", None).shut
    assert loaded.right("handler", "case.peek") == loaded.right("nobody", "case.view") == "no"
