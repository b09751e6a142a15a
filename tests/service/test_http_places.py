"""Checking secrets is dear; whoever floods the door with sign-ins takes no reader's place."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack

import httpx
from sqlalchemy import func, select

from auth.tables import sign_in_failures
from small_archive import FONDS, SmallArchive


def attempt(archive: SmallArchive, n: int = 0) -> httpx.Response:
    body = {"fonds": FONDS, "login": f"nobody-{n}", "password": "wrong lantern"}
    return httpx.post(f"{archive.url}/v1/sessions", json=body, timeout=60)


def test_a_sign_in_that_finds_no_place_is_told_at_once_and_counted_nowhere(archive: SmallArchive) -> None:
    passwords = archive.house.auth.passwords
    with archive.as_("handler") as handler, ExitStack() as taken:
        for _ in range(archive.settings.threads // 2):
            taken.enter_context(passwords.place())
        before, tries = passwords.computed, _tries(archive)
        refused = [attempt(archive), handler.post("/v1/me/secret", json={"current": "x", "new": "y"})]
        refused.append(handler.post("/v1/me/totp", json={"current": "x"}))
        assert [(answer.status_code, answer.json()["code"]) for answer in refused] == [(503, "sign-in-busy")] * 3
        assert all(int(answer.headers["Retry-After"]) > 0 for answer in refused)
        assert (passwords.computed, _tries(archive)) == (before, tries)
        assert handler.get("/v1/me").status_code == 200
    assert attempt(archive).status_code == 401


def test_reads_go_on_while_more_sign_ins_than_there_are_threads_wait_for_their_hash(archive: SmallArchive) -> None:
    passwords, answers = archive.house.auth.passwords, list[int]()
    waiting, all_of_them = archive.settings.threads // 2, archive.settings.threads + 8
    with archive.as_("handler") as handler:
        with ExitStack() as held:
            for _ in range(archive.settings.hashing):
                held.enter_context(passwords._slot())
            threads = [threading.Thread(target=lambda n=n: answers.append(attempt(archive, n).status_code)) for n in range(all_of_them)]
            for thread in threads:
                thread.start()
            for _ in range(900):
                if len(answers) == all_of_them - waiting:
                    break
                time.sleep(0.01)
            assert answers == [503] * (all_of_them - waiting)
            assert handler.get("/v1/me").status_code == 200
            assert len(answers) == all_of_them - waiting
        for thread in threads:
            thread.join()
    assert sorted(answers) == [401] * waiting + [503] * (all_of_them - waiting)


def _tries(archive: SmallArchive) -> int:
    with archive.house.desk.db.read() as conn:
        return int(conn.execute(select(func.coalesce(func.sum(sign_in_failures.c.failures), 0))).scalar_one())
