"""Streams take every published entry to its receiver, in order and at least once, and say on record where they send it."""

from __future__ import annotations

import hashlib
import hmac
import json
import shutil
import sqlite3
import threading
import time
from base64 import b64decode, b64encode
from contextlib import ExitStack
from pathlib import Path

import pytest

from audit.events import Actor
from audit.export import export
from audit.restoring import Admission, admit_restored
from audit.sequencing import Sequencer
from foundation.clock import MovableClock
from foundation.database import Database
from foundation.uow import UnitOfWork
from fresh_databases import DatabaseUrls, FreshDatabases
from reviews.copies_rows import compact
from service.copies.checking import CopyDiffers, check_against_export
from service.streams.webhook import signatures
from stream_receivers import SECRET, Authority, SyslogServer, WebhookServer, closing
from streamed_log import FONDS, OTHER, STREAM_KINDS, StreamedLog, authority, certificate, complete, log, streamed_log, syslog, webhook
from tlog.note import VerifierKey
from tlog.verify import verify_export

__all__ = ["authority", "certificate", "log"]


# ------------------------------------------------------------------------------------------------ what arrives


@pytest.mark.parametrize("form", ["cef", "ocsf", "ndjson"])
def test_every_published_entry_reaches_a_syslog_server_once_in_order_with_its_leaf_hash(
    log: StreamedLog, authority: Authority, certificate: tuple[Path, Path], form: str
) -> None:
    server = SyslogServer(certificate)
    log.grow(700)
    log.grow(3, OTHER)
    with closing(server), log.sending(syslog(server.listener.port, authority, form=form)):
        server.taken.wait_for(lambda taken: complete(taken, log, until=700) and complete(taken, log, OTHER, until=3))
        log.grow(5)
        server.taken.wait_for(lambda taken: complete(taken, log))
        log.publish()
        server.taken.wait_for(lambda taken: complete(taken, log) and complete(taken, log, OTHER))
    for fonds in (FONDS, OTHER):
        arrived = [(line["index"], line["leaf_hash"]) for line in server.taken.lines if line["fonds"] == fonds]
        assert arrived == log.leaves(fonds)
    assert server.taken.complaints == []
    assert log.reports == []
    first = server.messages[0].decode("ascii")
    assert first.startswith("<110>1 2026-03-18T04:00:00.000Z archive.example petition-archive - case.viewed - ")


@pytest.mark.parametrize("form", ["ocsf", "ndjson"])
def test_every_published_entry_reaches_a_webhook_once_in_order_and_signed(log: StreamedLog, form: str) -> None:
    server = WebhookServer()
    log.grow(600)
    with closing(server), log.sending(webhook(server.listener.port, form=form)):
        server.taken.wait_for(lambda taken: complete(taken, log, until=600))
        log.publish()
        server.taken.wait_for(lambda taken: complete(taken, log))
    assert [(line["index"], line["leaf_hash"]) for line in server.taken.lines] == log.leaves()
    assert server.taken.complaints == []
    assert len(set(server.taken.ids)) == len(server.taken.ids) >= 3
    asked, body = server.requests[0]
    assert asked[""] == "POST /hook HTTP/1.1"
    payload = json.loads(body)
    assert payload["type"] == "log.entries"
    assert payload["data"]["checkpoint"].startswith(f"archive.example/{FONDS}\n600\n")
    assert (payload["data"]["first"], len(payload["data"]["entries"])) == (0, 256)


def test_what_a_receiver_stored_is_held_against_the_log(
    log: StreamedLog, authority: Authority, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    siem, hook = SyslogServer(certificate), WebhookServer()
    log.grow(300)
    with closing(siem, hook), log.sending(syslog(siem.listener.port, authority), webhook(hook.listener.port, form="ocsf")):
        for server in (siem, hook):
            server.taken.wait_for(lambda taken: complete(taken, log, until=300))
    log.publish()
    export(log.db, FONDS, tmp_path / "export")
    report = verify_export(tmp_path / "export", VerifierKey.parse(log.publishing.signers(FONDS, 1).vkey))
    stored = {
        "cef": b"".join(message.split(b" ", 7)[7] + b"\n" for message in siem.messages),
        "ocsf": b"".join(compact(event).encode() + b"\n" for _, body in hook.requests for event in json.loads(body)["data"]["entries"]),
    }
    for form, lines in stored.items():
        (tmp_path / form).write_bytes(lines)
        held = check_against_export(tmp_path / form, form, tmp_path / "export", report.checkpoint)
        assert (held.first, held.last >= 299) == (0, True)
        (tmp_path / form).write_bytes(lines.replace(b"handler", b"leaders", 1))
        with pytest.raises(CopyDiffers):
            check_against_export(tmp_path / form, form, tmp_path / "export", report.checkpoint)


def test_what_no_checkpoint_covers_does_not_leave(log: StreamedLog) -> None:
    server = WebhookServer()
    log.grow(4)
    with closing(server), log.sending(webhook(server.listener.port)):
        server.taken.wait_for(lambda taken: len(taken.lines) >= 4)
        log.grow(6, publish=False)
        time.sleep(0.5)
        assert server.taken.indices(FONDS) == [0, 1, 2, 3]
        log.publish()
        server.taken.wait_for(lambda taken: complete(taken, log))


def test_a_stream_that_begins_with_the_newest_entries_passes_over_the_old_ones_alone(log: StreamedLog) -> None:
    server = WebhookServer()
    log.grow(300)
    with closing(server), log.sending(webhook(server.listener.port, newest=True)):
        server.taken.wait_for(lambda _: log.position("hook") == 300)
        log.grow(10)
        server.taken.wait_for(lambda taken: len(taken.lines) >= 11)
    assert server.taken.indices(FONDS) == list(range(300, 311))


def test_a_stream_of_one_fonds_sends_nothing_of_another(log: StreamedLog) -> None:
    server = WebhookServer()
    log.grow(3)
    log.grow(3, OTHER)
    with closing(server), log.sending(webhook(server.listener.port, fonds=(OTHER,))):
        server.taken.wait_for(lambda taken: len(taken.indices(OTHER)) >= 3)
        time.sleep(0.2)
    assert server.taken.indices(FONDS) == []
    assert log.entries(*STREAM_KINDS) == []


# ------------------------------------------------------------------------------------------------ where it stands


def test_after_a_restart_a_stream_goes_on_where_it_was(log: StreamedLog) -> None:
    server = WebhookServer()
    log.grow(5)
    with closing(server):
        with log.sending(webhook(server.listener.port)):
            server.taken.wait_for(lambda _: (log.position("hook") or 0) >= 5)
        log.grow(5)
        with log.sending(webhook(server.listener.port)):
            server.taken.wait_for(lambda taken: complete(taken, log))
    assert server.taken.indices(FONDS) == list(range(11))


def test_after_a_restored_database_was_admitted_its_entries_are_sent_from_where_the_backup_stood(
    fresh_databases: FreshDatabases, clock: MovableClock, tmp_path: Path
) -> None:
    server, backup = WebhookServer(), tmp_path / "backup.sqlite"
    with closing(server), fresh_databases.fresh("sqlite") as urls:
        database = Database(urls.application, pool_size=4)
        file = Path(database.url.database or "")

        def send(log: StreamedLog) -> None:
            with log.sending(webhook(server.listener.port)):
                server.taken.wait_for(lambda _: (log.position("hook") or 0) >= len(log.leaves()) - 1)

        with streamed_log(database, clock, tmp_path) as log:
            log.grow(5)
            send(log)
            with sqlite3.connect(file) as now, sqlite3.connect(backup) as then:
                now.backup(then)
            log.grow(5)
            send(log)
        database.close()
        for path in file.parent.glob(f"{file.name}*"):
            path.unlink()
        shutil.copy(backup, file)
        before = len(server.taken.lines)
        database = Database(urls.application, pool_size=4)
        with streamed_log(database, clock, tmp_path) as log:
            stood = log.position("hook")
            clock.advance(60)
            admit_restored(log.publishing, log.uow, FONDS, Admission(Actor()))
            log.grow(3)
            send(log)
            again = server.taken.lines[before:]
            assert [(line["index"], line["leaf_hash"]) for line in again] == log.leaves()[stood:]
            assert any(line["entry"]["kind"] == "log.restored-admitted" for line in again)
        database.close()


def test_it_is_on_record_before_anything_leaves_where_the_log_is_sent_and_that_it_is_no_more(log: StreamedLog) -> None:
    server, other = WebhookServer(fault=lambda _: "500"), WebhookServer()
    log.grow(2)
    with closing(server, other):
        for _ in range(2):
            with log.sending(webhook(server.listener.port)) as (sender,):
                server.taken.wait_for(lambda _: bool(sender.failing))
        begun = {"stream": "hook", "receiver": "webhook", "form": "ndjson", "host": "127.0.0.1", "position": 0}
        assert log.entries(*STREAM_KINDS) == [{**begun, "port": server.listener.port}]
        with log.sending(webhook(other.listener.port)):
            other.taken.wait_for(lambda taken: complete(taken, log, until=2))
        assert log.entries(*STREAM_KINDS)[1:] == [{**begun, "port": other.listener.port}]
        with log.sending():
            pass
        assert log.entries("log.stream-ended") == [{"stream": "hook"}]
        with log.sending():
            pass
        assert len(log.entries("log.stream-ended")) == 1
        with log.sending(webhook(other.listener.port)):
            other.taken.wait_for(lambda _: len(log.entries("log.stream-begun")) == 3)


def test_several_processes_send_each_entry_once(log: StreamedLog, database_urls: DatabaseUrls) -> None:
    if database_urls.backend == "sqlite":  # one process owns the file
        return
    server = WebhookServer()
    log.grow(2_000)
    with ExitStack() as stack:
        stack.enter_context(closing(server))
        others = [Database(database_urls.application, pool_size=6) for _ in range(2)]
        for one in others:
            stack.callback(one.close)
            uow = UnitOfWork(one, Sequencer())
            stack.callback(uow.close)
            stack.enter_context(log.sending(webhook(server.listener.port), db=one, uow=uow, interval=0.01))
        server.taken.wait_for(lambda taken: complete(taken, log, until=2_000), 60)
    assert server.taken.indices(FONDS)[:2_000] == list(range(2_000))
    assert len(log.entries("log.stream-begun")) == 1


def test_large_entries_are_sent_in_smaller_batches(log: StreamedLog) -> None:
    server = WebhookServer()
    cases = [f"{n:030d}-{'x' * 80}" for n in range(400)]
    for _ in range(3):
        log.grow(25, c=cases)
    with closing(server), log.sending(webhook(server.listener.port)):
        server.taken.wait_for(lambda taken: complete(taken, log, until=75))
    assert max(len(body) for _, body in server.requests) < 3 * 2**20
    assert len(server.requests) >= 2


# ------------------------------------------------------------------------------------------------ signatures


def test_a_signature_is_the_one_the_standards_example_has() -> None:
    # The example of the Standard Webhooks reference libraries.
    body = b'{"test": 2432232314}'
    key = b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    assert signatures((key,), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body) == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    both = signatures((key, SECRET), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body).split(" ")
    again = hmac.new(SECRET, b"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330." + body, hashlib.sha256).digest()
    assert both[1] == f"v1,{b64encode(again).decode()}"


def test_a_receiver_that_holds_another_key_refuses_and_nothing_moves(log: StreamedLog) -> None:
    server = WebhookServer(secret=b"another" * 4)
    log.grow(3)
    with closing(server):
        with log.sending(webhook(server.listener.port)) as (sender,):
            server.taken.wait_for(lambda _: sender.failing.get(FONDS) == "status-401")
        assert log.position("hook") == 0
        # While keys change, both sign.
        with log.sending(webhook(server.listener.port, secrets=(SECRET, b"another" * 4))):
            server.taken.wait_for(lambda taken: complete(taken, log, until=3))


def test_a_thread_of_a_stream_ends_when_the_stream_does(log: StreamedLog) -> None:
    with log.sending(webhook(1, name="gone")):
        assert any(thread.name == "stream-gone" for thread in threading.enumerate())
    assert not any(thread.name == "stream-gone" for thread in threading.enumerate())
