"""What a record itself says of protection and of the accused: closed by default, high at any sign."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from petition_records import Change, accusation, put, typical
from policies.rulebook.load import base
from policies.validation import validate

TODAY = date(2026, 11, 22)


def with_(**members: Any) -> dict[str, Any]:
    return {**typical(), **members}


def test_an_accusation_raises_the_protection_and_closes_the_wall() -> None:
    checked = validate(accusation(), base(), today=TODAY)
    assert checked.protection_level == "high"
    assert checked.protection_reasons == ("accusation",)
    assert (checked.wall.accusation, checked.wall.resolved) == (True, True)
    assert (checked.wall.person_ids, checked.wall.unit_codes) == (("P-7",), ("U-9",))


@pytest.mark.parametrize("how", ["class", "purpose", "party"])
def test_any_sign_of_an_accusation_closes_the_wall(how: str) -> None:
    record = typical()
    if how == "party":
        record["involved_parties"][0]["party_role"] = "accused"
    else:
        record["statutory_class" if how == "class" else "petition_purpose"] = "accusation"
    checked = validate(record, base(), today=TODAY)
    assert checked.wall.accusation
    assert not checked.wall.resolved
    assert checked.protection_level == "high"
    assert "accused-unresolved" in checked.protection_reasons


def test_an_accused_person_is_not_resolved_by_the_unit_alone() -> None:
    record = accusation()
    del record["involved_parties"][0]["party_user_ids"]
    record["involved_parties"][0]["party_unit_code"] = "U-9"
    assert not validate(record, base(), today=TODAY).wall.resolved


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (put("petitioners", 1, "confidentiality_requested", True), "secrecy-requested"),
        (put("petitioners", 1, "birth_date", "2010-01-09"), "under-age"),
        (put("petitioners", 1, "id_number", "999999201001091234"), "under-age"),
    ],
)
def test_secrecy_asked_for_and_children_raise_the_protection(change: Change, reason: str) -> None:
    record = typical()
    change(record)
    assert validate(record, base(), today=TODAY).protection_reasons == (reason,)


def test_the_fourteenth_birthday_ends_the_protection_of_children() -> None:
    record = typical()
    record["petitioners"][1]["birth_date"] = "2010-01-08"
    assert validate(record, base(), today=TODAY).protection_level == "normal"
