"""Refusals at the door are on record one by one while they are few, and in counts when somebody makes them many."""

from __future__ import annotations

from functools import partial

import pytest

from auth.clients import issue_token
from auth.errors import ClientRefused, SignInRefused
from auth_office import Office, refusal
from foundation.tables import SYSTEM_FONDS

FEW = 5


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auth.refusals.ONE_BY_ONE", FEW)


def strangers_sign_in(office: Office, times: int, *, net: int = 1) -> None:
    for n in range(times):
        act = partial(office.sign_in, f"nobody.{n}", "a wrong lantern", address=f"2001:db8:{net}:{n:x}::1")
        assert isinstance(refusal(act), SignInRefused)


def counts(entries: list[dict[str, object]]) -> list[object]:
    return [entry.get("data", {}).get("count", 1) for entry in entries]  # type: ignore[attr-defined]


def test_strangers_from_however_many_networks_fill_the_log_with_counts_and_not_with_entries(office: Office) -> None:
    strangers_sign_in(office, 45)
    entries = office.entries("session.refused", SYSTEM_FONDS)
    assert counts(entries) == [1] * FEW + [2 * FEW, 4 * FEW, 8 * FEW]
    assert [entry["reason"] for entry in entries] == ["unknown-login"] * FEW + ["counted-together"] * 3
    assert {name for entry in entries for name in entry.get("data", {})} <= {"door", "count", "since"}


def test_the_full_count_of_a_window_is_on_record_with_the_first_refusal_after_it(office: Office) -> None:
    strangers_sign_in(office, 13)
    office.clock.advance(office.policy.address_minutes * 60)
    strangers_sign_in(office, 2, net=2)
    assert counts(office.entries("session.refused", SYSTEM_FONDS)) == [1] * FEW + [2 * FEW, 13, 1, 1]


def test_assertions_of_no_known_client_are_counted_alike_and_apart_from_sign_ins(office: Office) -> None:
    strangers_sign_in(office, FEW)
    for _ in range(2 * FEW):
        assert isinstance(refusal(lambda: issue_token(office.ctx, "a.b.c", network="other")), ClientRefused)
    assert counts(office.entries("client.token-refused", SYSTEM_FONDS)) == [1] * FEW + [2 * FEW]


def test_a_flood_of_strangers_hides_no_refusal_of_an_account_that_exists(office: Office) -> None:
    account_id, _ = office.settled("zhang.san", "handler")
    strangers_sign_in(office, 3 * FEW)
    for n in range(4):
        refusal(partial(office.sign_in, "zhang.san", f"a wrong lantern {n}"))
    entries = [entry for entry in office.entries("session.refused") if "object" in entry]
    assert [(entry["reason"], entry["object"]["id"]) for entry in entries] == [("wrong-secret", account_id)] * 4


def test_many_refusals_of_one_account_are_counted_on_its_own_record(office: Office) -> None:
    account_id, _ = office.settled("zhang.san", "handler")
    for n in range(2 * FEW):
        refusal(partial(office.sign_in, "zhang.san", "a wrong lantern", address=f"2001:db8:1:{n:x}::1"))
    entries = office.entries("session.refused")
    assert counts(entries) == [1] * FEW + [2 * FEW]
    assert {entry["object"]["id"] for entry in entries} == {account_id}
