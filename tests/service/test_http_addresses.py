"""Unsuccessful proofs of identity are limited by the client's address, whoever they are about, and nothing names a person or an address."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyotp
import pytest
from sqlalchemy import select

from foundation.tables import SYSTEM_FONDS, rate_limits
from fresh_databases import BACKENDS, FreshDatabases
from small_archive import FONDS, SECRET, SmallArchive, small_archive

TRIES, WINDOW = 5, 15 * 60
OVERLAY = f"[limits.limits.address_tries]\nvalue = {TRIES}\n"


def made(fresh_databases: FreshDatabases, folder: Path, backend: str, **changes: Any) -> Iterator[SmallArchive]:
    (folder / "rulebook").mkdir()
    (folder / "rulebook" / f"{SYSTEM_FONDS}.toml").write_text(OVERLAY, encoding="utf-8")
    with fresh_databases.fresh(backend) as urls, small_archive(urls, folder, **changes) as archive:
        yield archive


@pytest.fixture(scope="module", params=BACKENDS)
def guarded(
    request: pytest.FixtureRequest, fresh_databases: FreshDatabases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SmallArchive]:
    """Believes X-Forwarded-For from this machine, so that a test can come from many addresses."""
    folder = tmp_path_factory.mktemp("guarded")
    yield from made(fresh_databases, folder, request.param, trusted_proxies=("127.0.0.0/8",))


@pytest.fixture
def unproxied(fresh_databases: FreshDatabases, tmp_path: Path) -> Iterator[SmallArchive]:
    yield from made(fresh_databases, tmp_path, "sqlite")


def attempt(archive: SmallArchive, address: str, login: str = "nobody-here", password: str = "wrong lantern") -> httpx.Response:
    body = {"fonds": FONDS, "login": login, "password": password}
    return archive.http.post(f"{archive.url}/v1/sessions", json=body, headers={"X-Forwarded-For": address}, timeout=60)


def told(answer: httpx.Response) -> dict[str, Any]:
    return {name: value for name, value in answer.json().items() if name != "request_id"}


def test_an_address_is_stopped_after_its_tries_alike_for_every_account_and_the_right_secret(guarded: SmallArchive) -> None:
    guarded.clock.advance(2 * WINDOW)
    one = [attempt(guarded, "198.51.100.1", login=f"absent-{n}").status_code for n in range(TRIES)]
    two = [attempt(guarded, "198.51.100.2", login="colleague").status_code for _ in range(TRIES)]
    assert one == two == [401] * TRIES
    absent = attempt(guarded, "198.51.100.1")
    present = attempt(guarded, "198.51.100.2", login="colleague")
    right = attempt(guarded, "198.51.100.2", login="archivist", password=SECRET)
    assert {answer.status_code for answer in (absent, present, right)} == {429}
    assert told(absent) == told(present) == told(right)
    assert absent.json()["code"] == "too-many-tries"
    assert {answer.headers["Retry-After"] for answer in (absent, present, right)} == {str(WINDOW)}
    assert attempt(guarded, "198.51.100.3", login="archivist", password=SECRET).status_code == 201
    guarded.clock.advance(WINDOW - 1)
    last = attempt(guarded, "198.51.100.2", login="archivist", password=SECRET)
    assert (last.status_code, last.headers["Retry-After"]) == (429, "1")
    guarded.clock.advance(1)
    assert attempt(guarded, "198.51.100.2", login="archivist", password=SECRET).status_code == 201


def test_an_attempt_that_is_stopped_by_its_address_looks_nothing_up_and_hashes_nothing(guarded: SmallArchive) -> None:
    for n in range(TRIES):
        attempt(guarded, "198.51.100.10", login=f"absent-{n}")
    before = guarded.house.auth.passwords.computed
    for login in ("absent-again", "colleague"):
        assert attempt(guarded, "198.51.100.10", login=login, password=SECRET).status_code == 429
    assert guarded.house.auth.passwords.computed == before


def test_right_sign_ins_use_up_nothing_of_an_address_that_an_office_shares(guarded: SmallArchive) -> None:
    for _ in range(TRIES + 2):
        assert attempt(guarded, "198.51.100.20", login="archivist", password=SECRET).status_code == 201
    for _ in range(TRIES):
        assert attempt(guarded, "198.51.100.20").status_code == 401
    assert attempt(guarded, "198.51.100.20").status_code == 429


def test_the_tries_of_one_ipv6_network_are_counted_together(guarded: SmallArchive) -> None:
    for n in range(TRIES):
        assert attempt(guarded, f"2001:db8:1:1::{n + 1}").status_code == 401
    assert attempt(guarded, "2001:db8:1:1:ffff::1").status_code == 429
    assert attempt(guarded, "2001:db8:1:2::1").status_code == 401


def test_a_refusal_by_address_is_on_record_once_a_window_and_names_no_address_and_no_person(guarded: SmallArchive) -> None:
    before = len(guarded.entries("session.refused", fonds=SYSTEM_FONDS))
    answer, *_ = [attempt(guarded, "198.51.100.30", login="principal") for _ in range(TRIES + 4)][::-1]
    new = [entry.members for entry in guarded.entries("session.refused", fonds=SYSTEM_FONDS)[before:]]
    assert [(entry["reason"], entry["data"], entry.get("object")) for entry in new] == [("address-limit", {"door": "sign-in"}, None)]
    assert "198.51" not in str(new)
    line = guarded.log_line(answer)
    assert (line["status"], "198.51" in str(line), "principal" in str(line)) == (429, False, False)
    with guarded.house.desk.db.read() as conn:
        rows = [row for row in conn.execute(select(rate_limits)) if row.limit_name.startswith("address:")]
    assert rows
    assert not any("198.51" in str(row) or "principal" in str(row) for row in rows)


def test_counters_of_addresses_go_when_their_window_is_over(guarded: SmallArchive) -> None:
    for n in range(20):
        attempt(guarded, f"203.0.113.{n}")
    guarded.clock.advance(WINDOW)
    attempt(guarded, "203.0.113.200")
    with guarded.house.desk.db.read() as conn:
        names = conn.execute(select(rate_limits.c.limit_name).where(rate_limits.c.fonds == SYSTEM_FONDS)).scalars().all()
    assert sorted(name for name in names if name.startswith("address:")) == ["address:sign-in", "address:swept"]


def test_wrong_assertions_present_secrets_and_codes_are_limited_each_at_its_door(guarded: SmallArchive) -> None:
    guarded.clock.advance(2 * WINDOW)
    for answers in (tokens(guarded), secrets(guarded), codes(guarded)):
        assert [answer.status_code for answer in answers[:TRIES]] == [answers[0].status_code] * TRIES
        assert answers[0].status_code in {401, 403}
        assert (answers[TRIES].status_code, answers[TRIES].json()["code"]) == (429, "too-many-tries")
        assert int(answers[TRIES].headers["Retry-After"]) <= WINDOW


def test_a_case_system_that_proves_itself_is_never_limited(guarded: SmallArchive) -> None:
    for _ in range(TRIES + 2):
        assert guarded.ask_token(guarded.assertion()).status_code == 200


def test_an_address_that_a_stranger_claims_for_itself_counts_for_nothing(unproxied: SmallArchive) -> None:
    for n in range(TRIES):
        assert attempt(unproxied, f"198.51.100.{n}").status_code == 401
    assert attempt(unproxied, "198.51.100.77").status_code == 429


def tokens(archive: SmallArchive) -> list[httpx.Response]:
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": "no.such.token",
    }
    return [archive.http.post(f"{archive.url}/v1/token", data=form, headers={"X-Forwarded-For": "198.51.100.40"}) for _ in range(TRIES + 1)]


def secrets(archive: SmallArchive) -> list[httpx.Response]:
    body = {"current": "wrong lantern", "new": "lantern over quiet 河 ten"}
    with archive.as_("archivist") as client:
        return [client.post("/v1/me/secret", json=body, headers={"X-Forwarded-For": "198.51.100.41"}) for _ in range(TRIES + 1)]


def codes(archive: SmallArchive) -> list[httpx.Response]:
    with archive.as_("collaborator") as client:
        good = pyotp.TOTP(client.post("/v1/me/totp", json={"current": SECRET}).json()["secret"])
        now = archive.clock.now().timestamp()
        bad = next(
            code for code in ("000000", "111111", "222222", "333333") if code not in {good.at(int(now) + 30 * step) for step in (-1, 0, 1)}
        )
        form: dict[str, Any] = {"json": {"code": bad}, "headers": {"X-Forwarded-For": "198.51.100.42"}}
        return [client.post("/v1/me/totp:confirm", **form) for _ in range(TRIES + 1)]
