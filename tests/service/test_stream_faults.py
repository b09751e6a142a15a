"""A stream's receiver may fail, lie, hang or be another: no entry is lost by it, none leaves to strangers, and the archive goes on."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text, update

from audit.tables import log_entries
from foundation.database import Database
from service.streams.batches import Batch
from service.streams.errors import DeliveryFailed
from service.streams.positions import position
from service.streams.sockets import Line
from service.streams.syslog import SyslogReceiver
from service.streams.webhook import WebhookReceiver
from stream_receivers import Authority, SyslogServer, WebhookServer, closing
from streamed_log import FONDS, StreamedLog, authority, certificate, complete, in_order, log, syslog, trusting, webhook

__all__ = ["authority", "certificate", "log"]


def once(*faults: str) -> Callable[[int], str]:
    """These faults one after the other, and none from then on."""
    return lambda exchange: faults[exchange] if exchange < len(faults) else ""


@pytest.mark.parametrize("fault", ["close-early", "close-late", "drop", "reset", "no-notify", "slow"])
def test_a_syslog_server_that_fails_in_the_middle_gets_the_whole_batch_again(
    log: StreamedLog, authority: Authority, certificate: tuple[Path, Path], fault: str
) -> None:
    server = SyslogServer(certificate, fault=once(fault, "", fault))
    log.grow(600)
    with closing(server), log.sending(syslog(server.listener.port, authority)):
        server.taken.wait_for(lambda taken: complete(taken, log, until=600))
        log.publish()
        server.taken.wait_for(lambda taken: complete(taken, log))
        server.taken.wait_for(lambda _: log.position("siem") == len(log.leaves()))
    indices = server.taken.indices(FONDS)
    assert in_order(indices)
    # What was read whole and then not closed in order comes twice; of what was not read whole nothing was kept.
    again = len(indices) - len(set(indices))
    assert again == {"no-notify": 512}.get(fault, 0)
    assert bool(log.reports) == (fault != "slow")


@pytest.mark.parametrize("fault", ["close-early", "close-late", "drop", "reset", "no-notify"])
def test_a_server_that_is_taken_at_its_tcp_word_gets_again_what_it_left_unread(
    log: StreamedLog, authority: Authority, certificate: tuple[Path, Path], fault: str
) -> None:
    server = SyslogServer(certificate, fault=once(fault, "no-notify", fault))
    log.grow(600)
    with closing(server), log.sending(syslog(server.listener.port, authority, strict=False)):
        server.taken.wait_for(lambda taken: complete(taken, log, until=600))
        server.taken.wait_for(lambda _: (log.position("siem") or 0) >= 600)
    indices = server.taken.indices(FONDS)
    assert indices[:600] == list(range(600))
    assert bool(log.reports) == (fault != "no-notify")


@pytest.mark.parametrize("fault", ["500", "302", "429", "close", "cut", "nonsense", "early-hints", "drop", "lie", "slow"])
def test_a_webhook_that_fails_gets_the_same_batch_again_under_the_same_id(log: StreamedLog, fault: str) -> None:
    server = WebhookServer(fault=once(fault, "", fault))
    log.grow(600)
    with closing(server), log.sending(webhook(server.listener.port)):
        server.taken.wait_for(lambda taken: complete(taken, log, until=600))
        server.taken.wait_for(lambda _: (log.position("hook") or 0) >= 600)
    indices = server.taken.indices(FONDS)
    assert in_order(indices)
    assert len(indices) - len(set(indices)) == {"lie": 512}.get(fault, 0)
    if fault not in {"drop", "slow"}:
        ids = [asked["webhook-id"] for asked, _ in server.requests]
        assert (ids[0], ids[2]) == (ids[1], ids[3])
    assert bool(log.reports) == (fault != "slow")


def test_a_client_certificate_is_shown_where_one_is_asked_for(
    log: StreamedLog, authority: Authority, certificate: tuple[Path, Path]
) -> None:
    server = SyslogServer(certificate, client_ca=authority.file)
    log.grow(3)
    with closing(server):
        with log.sending(syslog(server.listener.port, authority)) as (sender,):
            server.taken.wait_for(lambda _: bool(sender.failing))
            assert server.taken.lines == []
        with log.sending(syslog(server.listener.port, authority, context=trusting(authority, authority.issue("archive")))):
            server.taken.wait_for(lambda taken: complete(taken, log, until=3))


def test_a_redirect_is_not_followed_and_moves_nothing(log: StreamedLog) -> None:
    target = WebhookServer()
    server = WebhookServer(fault=lambda _: "302")
    log.grow(3)
    with closing(server, target), log.sending(webhook(server.listener.port)) as (sender,):
        server.taken.wait_for(lambda _: bool(sender.failing))
        assert sender.failing == {FONDS: "status-302"}
    assert target.taken.exchanges == 0
    assert log.position("hook") == 0


def test_no_proxy_of_the_environment_is_handed_the_log(log: StreamedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy, server = WebhookServer(), WebhookServer()
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url(""))
    monkeypatch.delenv("no_proxy", raising=False)
    log.grow(3)
    with closing(server, proxy), log.sending(webhook(server.listener.port)):
        server.taken.wait_for(lambda taken: complete(taken, log, until=3))
    assert proxy.taken.exchanges == 0


def test_plain_http_is_spoken_to_this_machine_alone_wherever_its_name_leads() -> None:
    class Elsewhere(socket.socket):
        def getpeername(self) -> tuple[str, int]:
            return ("192.0.2.1", 80)

    with Elsewhere() as opened, pytest.raises(DeliveryFailed, match="not-this-machine"):
        Line(webhook(80, host="localhost"), seconds=5)._spoken(opened)


@pytest.mark.parametrize(("kind", "fault"), [("webhook", "hang"), ("webhook", "drip"), ("syslog", "hang"), ("syslog", "mute")])
def test_a_receiver_that_hangs_is_given_up_when_its_time_is_over(
    log: StreamedLog, authority: Authority, certificate: tuple[Path, Path], kind: str, fault: str
) -> None:
    log.grow(2)
    batch = a_batch(log)
    server: SyslogServer | WebhookServer
    receiver: SyslogReceiver | WebhookReceiver
    if kind == "webhook":
        server = WebhookServer(fault=lambda _: fault)
        receiver = WebhookReceiver(webhook(server.listener.port), log.clock, seconds=1.0)
    else:
        server = SyslogServer(certificate, fault=lambda _: fault)
        receiver = SyslogReceiver(syslog(server.listener.port, authority), "archive.example", seconds=1.0)
    begun = time.monotonic()
    with closing(server), pytest.raises(DeliveryFailed, match="timed-out"):
        receiver.deliver(batch)
    assert time.monotonic() - begun < 5


def a_batch(log: StreamedLog) -> Batch:
    """The first entries, as they are sent."""
    kept: list[Batch] = []
    (sender,) = log.streams(webhook(1)).senders
    first, _ = sender._next(FONDS, 0)
    kept.extend([first] if first is not None else [])
    return kept[0]


def test_the_archive_goes_on_as_ever_while_a_receiver_hangs_and_stops_at_once(log: StreamedLog) -> None:
    server = WebhookServer(fault=lambda _: "hang")
    log.grow(10)
    with closing(server):
        streams = log.streams(webhook(server.listener.port))
        streams.start()
        server.taken.wait_for(lambda taken: taken.exchanges > 0)
        begun = time.monotonic()
        for _ in range(20):
            log.grow(1)
        assert time.monotonic() - begun < 10
        assert streams.behind()["hook"] >= 30
        begun = time.monotonic()
        streams.stop()
        assert time.monotonic() - begun < 5
    assert log.position("hook") == 0


def test_a_receiver_that_is_away_is_tried_less_and_less_often_and_then_gets_everything(log: StreamedLog) -> None:
    server = WebhookServer(fault=lambda exchange: "500" if exchange < 5 else "")
    log.grow(3)
    with closing(server), log.sending(webhook(server.listener.port), interval=0.02):
        begun = time.monotonic()
        server.taken.wait_for(lambda taken: complete(taken, log, until=3))
        # 0.02 + 0.04 + 0.08 + 0.16 + 0.32 s of waiting, at the least.
        assert time.monotonic() - begun > 0.6
        server.taken.wait_for(lambda _: len(log.reports) >= 6)
    assert [code for _, _, code in log.reports][:6] == ["status-500"] * 5 + [""]


def test_a_receiver_that_asks_to_be_left_alone_is_left_alone(log: StreamedLog) -> None:
    server = WebhookServer(fault=once("429"))
    log.grow(3)
    with closing(server), log.sending(webhook(server.listener.port), interval=0.02):
        begun = time.monotonic()
        server.taken.wait_for(lambda taken: complete(taken, log, until=3))
        assert time.monotonic() - begun > 0.9


def test_an_entry_that_is_not_the_one_that_was_published_is_not_sent(log: StreamedLog, owner_database: Database) -> None:
    server = WebhookServer()
    log.grow(300)
    with owner_database.write() as conn:
        if owner_database.dialect == "sqlite":
            for name in conn.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'log_entries'")).all():
                conn.exec_driver_sql(f"DROP TRIGGER {name}")
        else:
            conn.exec_driver_sql("ALTER TABLE log_entries DISABLE TRIGGER USER")
        row = log_entries.c
        body = bytes(conn.scalar(log_entries.select().with_only_columns(row.body).where(row.fonds == FONDS, row.idx == 270)) or b"")
        forged = body.replace(b'"permit"', b'"refuse"')
        conn.execute(update(log_entries).where(row.fonds == FONDS, row.idx == 270).values(body=forged))
    with closing(server), log.sending(webhook(server.listener.port)) as (sender,):
        server.taken.wait_for(lambda _: sender.failing.get(FONDS) == "log-forked")
    assert server.taken.indices(FONDS) == list(range(256))


def test_a_stream_that_fails_still_fails_while_another_process_has_its_turn(log: StreamedLog) -> None:
    if log.db.dialect == "sqlite":  # one process owns the file
        return
    server = WebhookServer(fault=once("500"))
    log.grow(3)
    with closing(server):
        (sender,) = log.streams(webhook(server.listener.port), interval=0.01).senders
        sender.round()
        assert sender.failing == {FONDS: "status-500"}
        time.sleep(0.1)
        with log.db.write() as conn:
            assert position(conn, "hook", FONDS, lock=True) == 0
            sender.round()
        assert (sender.failing, server.taken.exchanges) == ({FONDS: "status-500"}, 1)
        sender.round()
        assert (sender.failing, server.taken.indices(FONDS)) == ({}, [0, 1, 2])
