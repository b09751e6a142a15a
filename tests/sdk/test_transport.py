from __future__ import annotations

import gzip
import ssl
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

import scripted_archive as double
from archive_doors import KEY, Door
from petition_archive_client.client import ArchiveClient
from petition_archive_client.connection import Retries, Timeouts
from petition_archive_client.errors import AnswerRefused, ArchiveProblem, ConnectionFailed, OutcomeUnknown
from scripted_archive import Answering, ScriptedArchive

CASE = {"source_system": "county-petition", "case_no": "XF-1", "title": "路灯不亮"}
CASE_ID = "01890000-0000-7000-8000-0000000000c1"


def test_a_lost_answer_is_asked_for_again_under_the_same_idempotency_key(archive: ScriptedArchive, door: Door) -> None:
    archive.script = [double.act_then_cut, double.cut_before_reading, double.refuse(503, "storage-unavailable", retry_after="0")]
    receipt = door.deposit(CASE)
    keys = [seen.headers["idempotency-key"] for seen in archive.asked("/v1/cases")]
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert receipt.status == "same"
    assert len(archive.entries) == 1


def test_each_deposit_has_an_idempotency_key_of_its_own_unless_given_one(archive: ScriptedArchive, door: Door) -> None:
    door.deposit(CASE)
    door.deposit(CASE)
    door.deposit(CASE, idempotency_key="batch-7/line-3")
    first, second, given = (seen.headers["idempotency-key"] for seen in archive.asked("/v1/cases"))
    assert first != second
    assert given == "batch-7/line-3"


@pytest.mark.parametrize("key", ["", "with space", "x" * 129, "行", "a\r\nb"])
def test_an_unusable_idempotency_key_is_refused_before_anything_is_sent(archive: ScriptedArchive, door: Door, key: str) -> None:
    with pytest.raises(ValueError):
        door.deposit(CASE, idempotency_key=key)
    assert archive.seen == []


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_passing_trouble_is_waited_out(archive: ScriptedArchive, door: Door, status: int) -> None:
    archive.script = [double.refuse(status, "later")] * 3
    assert door.deposit(CASE).version == 1
    assert len(archive.asked("/v1/cases")) == 4


@pytest.mark.parametrize("status", [400, 403, 404, 409, 413, 415, 422, 500])
def test_a_refusal_is_not_asked_again(archive: ScriptedArchive, door: Door, status: int) -> None:
    archive.script = [double.refuse(status, "refused")]
    with pytest.raises(ArchiveProblem) as caught:
        door.deposit(CASE)
    assert (caught.value.status, caught.value.code, caught.value.zh) == (status, "refused", "暂不受理。")
    assert len(archive.asked("/v1/cases")) == 1


def test_retry_after_in_seconds_is_honoured(archive: ScriptedArchive, door: Door) -> None:
    archive.script = [double.refuse(503, "later", retry_after="1")]
    begun = time.monotonic()
    door.deposit(CASE)
    assert 1.0 <= time.monotonic() - begun < 2.5


def test_retry_after_as_a_date_is_honoured(archive: ScriptedArchive, door: Door) -> None:
    # HTTP dates have whole seconds: two ahead is at least one.
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    archive.script = [double.refuse(429, "later", retry_after=moment)]
    begun = time.monotonic()
    door.deposit(CASE)
    assert 0.9 <= time.monotonic() - begun < 3.5


def test_an_archive_that_asks_for_more_patience_than_there_is_is_not_waited_for(archive: ScriptedArchive, door: Door) -> None:
    archive.script = [double.refuse(503, "maintenance", retry_after="86400")]
    begun = time.monotonic()
    with pytest.raises(ArchiveProblem) as caught:
        door.deposit(CASE)
    assert time.monotonic() - begun < 1
    assert caught.value.retry_after == 86400


def test_attempts_end_and_say_so(archive: ScriptedArchive, door: Door) -> None:
    archive.script = [double.cut_before_reading] * 10
    with pytest.raises(ConnectionFailed) as caught:
        door.deposit(CASE)
    assert caught.value.reason == "lost"
    assert len(archive.script) == 6


def test_nobody_listening_is_a_connection_that_failed(door: Door, open_door: Any) -> None:
    with pytest.raises(ConnectionFailed) as caught:
        open_door("http://127.0.0.1:1").deposit(CASE)
    assert caught.value.reason == "not-sent"


def test_a_stalling_archive_is_given_up_and_asked_again(archive: ScriptedArchive, open_door: Any) -> None:
    archive.script = [double.stall(1.5)]
    receipt = open_door(archive.url, timeouts=Timeouts(1.0, 0.3, 5.0)).deposit(CASE)
    assert receipt.case_no == "XF-1"


def test_an_answer_that_drips_for_ever_is_given_up(archive: ScriptedArchive, open_door: Any) -> None:
    def drip(answering: Answering) -> None:
        answering.read()
        answering.head(200, "application/json", content_length="1000")
        for _ in range(200):
            answering.handler.wfile.write(b" ")
            time.sleep(0.02)

    archive.script = [drip]
    begun = time.monotonic()
    assert open_door(archive.url, timeouts=Timeouts(1.0, 1.0, 0.3)).deposit(CASE).version == 1
    assert time.monotonic() - begun < 3


def test_an_endless_answer_is_refused_in_bounded_memory(archive: ScriptedArchive, door: Door) -> None:
    def pour(answering: Answering) -> None:
        answering.read()
        answering.head(201, "application/json", content_length=str(2**40))
        while True:
            answering.handler.wfile.write(b" " * 65536)

    archive.script = [pour]
    with pytest.raises(AnswerRefused, match="too-long"):
        door.deposit(CASE)


def test_a_compressed_answer_nobody_asked_for_is_refused(archive: ScriptedArchive, door: Door) -> None:
    def bomb(answering: Answering) -> None:
        answering.read()
        answering.send(201, gzip.compress(b" " * 10_000_000), content_encoding="gzip")

    archive.script = [bomb]
    with pytest.raises(AnswerRefused, match="content-encoding"):
        door.deposit(CASE)
    assert archive.asked("/v1/cases")[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("act", ["supplement", "correct"])
def test_a_later_version_whose_answer_is_lost_is_asked_for_again_under_its_key(archive: ScriptedArchive, door: Door, act: str) -> None:
    def take(answering: Answering) -> None:
        answering.read()
        answering.send(200, answering.archive.receipt(CASE) | {"case_id": CASE_ID, "version": 2, "status": "same"})

    content: dict[str, Any] = {"supplement": {"reviews": [{}]}} if act == "supplement" else {"case": CASE}
    archive.script = [double.cut_before_reading, double.refuse(502, "gateway"), double.refuse(504, "gateway"), take]
    receipt = door.do(act, CASE_ID, base_version=1, reason="补充复查意见", **content)
    sent = archive.asked(f"/v1/cases/{CASE_ID}/{act}{'ion' if act == 'correct' else ''}s")
    assert (receipt.status, receipt.version) == ("same", 2)
    assert len(sent) >= 3
    assert len({(seen.headers["idempotency-key"], seen.body) for seen in sent}) == 1


def test_a_later_version_that_is_never_answered_leaves_the_key_that_settles_it(archive: ScriptedArchive, door: Door) -> None:
    for broken in (double.act_then_cut, double.refuse(502, "gateway"), double.refuse(504, "gateway")):
        archive.seen.clear()
        archive.script = [broken] * 4
        with pytest.raises(OutcomeUnknown) as caught:
            door.do("supplement", CASE_ID, base_version=1, supplement={"reviews": [{}]}, reason="补充复查意见")
        sent = archive.asked(f"/v1/cases/{CASE_ID}/supplements")
        assert {seen.headers["idempotency-key"] for seen in sent} == {caught.value.idempotency_key}
        assert caught.value.idempotency_key not in str(caught.value) + repr(caught.value)


def test_a_later_version_the_archive_never_took_is_no_unknown_outcome(archive: ScriptedArchive, door: Door) -> None:
    archive.script = [double.refuse(503, "storage-unavailable", retry_after="0")] * 4
    with pytest.raises(ArchiveProblem) as caught:
        door.do("supplement", CASE_ID, base_version=1, supplement={"reviews": [{}]}, reason="补充复查意见")
    assert caught.value.status == 503


def test_a_supplement_the_archive_could_not_store_is_sent_again(archive: ScriptedArchive, door: Door) -> None:
    def take(answering: Answering) -> None:
        answering.read()
        answering.send(201, answering.archive.receipt(CASE) | {"case_id": CASE_ID, "version": 2})

    archive.script = [double.refuse(503, "storage-unavailable"), take]
    receipt = door.do("supplement", CASE_ID, base_version=1, supplement={"reviews": [{}]}, reason="补充复查意见")
    assert (receipt.case_id, receipt.version) == (CASE_ID, 2)


def test_a_proof_is_waited_for_until_it_is_published(archive: ScriptedArchive, door: Door) -> None:
    receipt = door.deposit(CASE)
    archive.script = [double.refuse(409, "not-yet-published", retry_after="0")] * 3
    assert door.do("proof", receipt.entry_id).startswith(b"c2sp.org/tlog-proof@v1\n")


def test_a_proof_that_is_never_published_is_not_waited_for_for_ever(archive: ScriptedArchive, open_door: Any) -> None:
    receipt = open_door(archive.url).deposit(CASE)
    archive.script = [double.refuse(409, "not-yet-published", retry_after="0")] * 1000
    with pytest.raises(ArchiveProblem) as caught:
        open_door(archive.url, retries=Retries(attempts=2, patience=0.5)).do("proof", receipt.entry_id)
    assert caught.value.code == "not-yet-published"


def test_a_token_is_fetched_once_and_used_until_it_is_about_to_end(archive: ScriptedArchive) -> None:
    with ArchiveClient(archive.url, client="F001.x", key=KEY) as client:
        for _ in range(5):
            client.deposit(CASE)
        assert len(archive.asked("/v1/token")) == 1


def test_a_token_that_is_about_to_end_is_not_set_out_with(archive: ScriptedArchive) -> None:
    archive.token_seconds = 1  # of which a fifth is left unused
    with ArchiveClient(archive.url, client="F001.x", key=KEY) as client:
        client.deposit(CASE)
        time.sleep(0.85)
        client.deposit(CASE)
    tokens = [seen.headers["authorization"] for seen in archive.asked("/v1/cases")]
    assert len(set(tokens)) == 2


def test_a_token_ended_by_the_archive_is_renewed_once_and_then_the_refusal_stands(archive: ScriptedArchive, door: Door) -> None:
    archive.script = [double.refuse(401, "token-refused")]
    assert door.deposit(CASE).version == 1
    archive.script = [double.refuse(401, "token-refused")] * 5
    with pytest.raises(ArchiveProblem) as caught:
        door.deposit(CASE)
    assert caught.value.status == 401
    assert len(archive.script) == 3


def test_every_attempt_for_a_token_brings_an_assertion_of_its_own(archive: ScriptedArchive, door: Door) -> None:
    archive.tokens = [double.refuse(503, "later"), double.cut_before_reading]
    door.deposit(CASE)
    bodies = [seen.body for seen in archive.asked("/v1/token")]
    assert len(bodies) == len(set(bodies)) == 2  # the third never arrived: it was cut off before it was read


def test_a_refused_assertion_says_why_in_the_form_of_oauth(archive: ScriptedArchive, door: Door) -> None:
    def refuse(answering: Answering) -> None:
        answering.read()
        answering.send(401, {"error": "invalid_client", "error_description": "no"})

    archive.tokens = [refuse]
    with pytest.raises(ArchiveProblem) as caught:
        door.deposit(CASE)
    assert (caught.value.status, caught.value.code) == (401, "invalid-client")
    assert archive.asked("/v1/cases") == []


@pytest.mark.parametrize(
    "said",
    [
        {"access_token": "a b", "token_type": "Bearer", "expires_in": 60},
        {"access_token": "x\r\nHost: evil", "token_type": "Bearer", "expires_in": 60},
        {"access_token": "x", "token_type": "mac", "expires_in": 60},
        {"access_token": "x", "token_type": "Bearer", "expires_in": True},
        {"access_token": "x", "token_type": "Bearer", "expires_in": -1},
        {"access_token": "x" * 9000, "token_type": "Bearer", "expires_in": 60},
        ["x"],
    ],
)
def test_a_token_in_no_known_form_is_never_sent(archive: ScriptedArchive, door: Door, said: object) -> None:
    def answer(answering: Answering) -> None:
        answering.read()
        answering.send(200, said)

    archive.tokens = [answer]
    with pytest.raises(AnswerRefused):
        door.deposit(CASE)
    assert archive.asked("/v1/cases") == []


def test_a_redirect_is_not_followed_and_the_other_host_hears_nothing(
    archive: ScriptedArchive, other_host: ScriptedArchive, door: Door
) -> None:
    for status in (301, 302, 303, 307, 308):
        for path in ("/v1/cases", "/v1/token"):

            def send_away(answering: Answering, status: int = status, path: str = path) -> None:
                answering.read()
                answering.send(status, location=f"{other_host.url}{path}")

            archive.script, archive.tokens = ([send_away], []) if path == "/v1/cases" else ([], [send_away])
            fresh = Door(door.kind, archive.url)
            with pytest.raises(AnswerRefused, match="redirect"):
                fresh.deposit(CASE)
            archive.script = [send_away]
            archive.tokens = []
            with pytest.raises(AnswerRefused, match="redirect"):
                fresh.deposit_many([CASE])
            fresh.close()
    assert other_host.seen == []


def test_the_proxy_of_the_environment_is_never_handed_a_case(
    archive: ScriptedArchive, other_host: ScriptedArchive, open_door: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, other_host.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert open_door(archive.url).deposit(CASE).version == 1
    assert other_host.seen == []


@pytest.mark.parametrize(
    "url",
    [
        "http://archive.example",
        "http://10.0.0.1:8700",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://user:secret@127.0.0.1",
        "ftp://127.0.0.1",
        "127.0.0.1:8700",
        "https://archive.example/?q=1",
        "https:///v1",
    ],
)
def test_cases_never_leave_the_machine_without_tls(url: str) -> None:
    with pytest.raises(ValueError):
        ArchiveClient(url, client="F001.x", key=KEY)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8700", "http://[::1]:8700/", "http://localhost:8700", "https://archive.example/petition/"]
)
def test_loopback_and_tls_addresses_are_taken(url: str) -> None:
    ArchiveClient(url, client="F001.x", key=KEY).close()


def test_the_verification_of_certificates_cannot_be_switched_off() -> None:
    careless = ssl.create_default_context()
    careless.check_hostname = False
    blind = ssl.create_default_context()
    blind.check_hostname = False
    blind.verify_mode = ssl.CERT_NONE
    for context in (careless, blind):
        with pytest.raises(ValueError):
            ArchiveClient("https://archive.example", client="F001.x", key=KEY, tls=context)


def test_the_wait_before_a_retry_grows_and_is_bounded() -> None:
    retries = Retries(attempts=50, first=0.5, longest=4.0)
    for failed in range(1, 50):
        waits = [retries.wait(failed) or 0.0 for _ in range(200)]
        assert min(waits) >= 0
        assert max(waits) <= min(4.0, 0.5 * 2**failed)
    assert max(retries.wait(20) or 0.0 for _ in range(200)) > 2
    assert retries.wait(50) is None
