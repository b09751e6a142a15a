from __future__ import annotations

import threading
from contextlib import ExitStack
from functools import partial
from typing import Any

from sqlalchemy import select

from auth.errors import SignInBusy, SignInRefused
from auth.tables import sign_in_failures
from auth_office import OWN, Office, refusal


def _fail(office: Office, times: int, **given: Any) -> None:
    for n in range(times):
        assert isinstance(refusal(partial(office.sign_in, "zhang.san", f"a wrong lantern {n}", **given)), SignInRefused)


def test_five_failures_lock_their_source_even_against_the_right_secret_for_half_an_hour(office: Office) -> None:
    office.settled("zhang.san", "handler")
    _fail(office, 5)
    assert isinstance(refusal(lambda: office.sign_in("zhang.san", OWN)), SignInRefused)
    assert office.entries("session.refused")[-1]["reason"] == "locked"
    office.clock.advance(30 * 60 - 1)
    refusal(lambda: office.sign_in("zhang.san", OWN))
    office.clock.advance(1)
    office.sign_in("zhang.san", OWN)


def test_four_failures_and_a_right_secret_start_the_count_anew(office: Office) -> None:
    office.settled("zhang.san", "handler")
    for _ in range(3):
        _fail(office, 4)
        office.sign_in("zhang.san", OWN)


def test_nobody_can_lock_a_colleague_out_from_elsewhere(office: Office) -> None:
    office.settled("zhang.san", "handler")
    for host in range(1, 31):
        _fail(office, 6, address=f"198.51.100.{host}")
    office.sign_in("zhang.san", OWN, address="192.0.2.7")


def test_a_neighbour_behind_the_same_address_cannot_lock_out_a_marked_device(office: Office) -> None:
    office.settled("zhang.san", "handler")
    mark = office.sign_in("zhang.san", OWN, address="192.0.2.7").device
    _fail(office, 12, address="192.0.2.7")
    assert isinstance(refusal(lambda: office.sign_in("zhang.san", OWN, address="192.0.2.7")), SignInRefused)
    again = office.sign_in("zhang.san", OWN, address="192.0.2.7", device=mark)
    assert again.device == mark


def test_a_forged_or_borrowed_device_mark_is_worth_nothing(office: Office) -> None:
    office.settled("zhang.san", "handler")
    office.settled("li.si", "handler")
    borrowed = office.sign_in("li.si", OWN).device
    _fail(office, 5)
    for mark in (borrowed, "x.00", "", "河.00", borrowed[:-1] + ("0" if borrowed[-1] != "0" else "1")):
        assert isinstance(refusal(partial(office.sign_in, "zhang.san", OWN, device=mark)), SignInRefused)


def test_guessing_from_many_networks_is_slowed_to_one_try_each(office: Office) -> None:
    office.settled("zhang.san", "handler")
    for host in range(1, 101):
        _fail(office, 1, address=f"198.51.100.{host}")
    fresh = "203.0.113.9"
    _fail(office, 1, address=fresh)
    assert isinstance(refusal(lambda: office.sign_in("zhang.san", OWN, address=fresh)), SignInRefused)
    office.clock.advance(23 * 3600)
    assert isinstance(refusal(lambda: office.sign_in("zhang.san", OWN, address=fresh)), SignInRefused)
    office.sign_in("zhang.san", OWN, address="203.0.113.10")  # a source that has not failed always has one try


def test_an_ipv6_guesser_is_counted_by_network_not_by_address(office: Office) -> None:
    office.settled("zhang.san", "handler")
    for host in range(1, 6):
        _fail(office, 1, address=f"2001:db8:1:2::{host:x}")
    assert isinstance(refusal(lambda: office.sign_in("zhang.san", OWN, address="2001:db8:1:2::ffff")), SignInRefused)
    office.sign_in("zhang.san", OWN, address="2001:db8:1:3::1")


def test_guesses_sent_all_at_once_get_no_more_tries_than_one_after_another(office: Office) -> None:
    office.settled("zhang.san", "handler")
    threads = [threading.Thread(target=_fail, args=(office, 1)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reasons = [entry["reason"] for entry in office.entries("session.refused")]
    assert (reasons.count("wrong-secret"), reasons.count("locked")) == (5, 7)


def test_a_busy_machine_costs_nobody_a_try(office: Office) -> None:
    office.settled("zhang.san", "handler")

    office.ctx.passwords._wait_seconds = 0.01
    with ExitStack() as taken:
        for _ in range(4):
            taken.enter_context(office.ctx.passwords._slot())
        for _ in range(8):
            assert isinstance(refusal(lambda: office.sign_in("zhang.san", OWN)), SignInBusy)
    office.sign_in("zhang.san", OWN)


def test_failures_are_kept_as_keyed_digests_that_show_no_address(office: Office) -> None:
    office.settled("zhang.san", "handler")
    _fail(office, 1, address="198.51.100.77")
    with office.database.read() as conn:
        rows = conn.execute(select(sign_in_failures)).all()
    assert rows
    assert all(len(row.source_digest) == 32 and b"198.51" not in bytes(row.source_digest) for row in rows)


def test_counters_that_mean_nothing_any_more_go_with_the_next_right_sign_in(office: Office) -> None:
    office.settled("zhang.san", "handler")
    office.settled("li.si", "handler")
    _fail(office, 2, address="198.51.100.78")
    office.clock.advance(2 * 86_400 + 1)
    with office.database.read() as conn:
        assert len(conn.execute(select(sign_in_failures)).all()) >= 2
    office.sign_in("li.si", OWN)
    with office.database.read() as conn:
        assert [row.failures for row in conn.execute(select(sign_in_failures))] == [0]
