"""A stream of syslog is taken by a server that others wrote: rsyslog, with each of its two TLS libraries."""

from __future__ import annotations

import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from foundation.clock import MovableClock
from foundation.database import Database
from fresh_databases import FreshDatabases
from service.streams.config import Stream
from small_archive import START
from stream_receivers import Authority, object_of
from streamed_log import FONDS, StreamedLog, streamed_log

pytestmark = pytest.mark.rsyslog
CONFIGURATION = """
global(workDirectory="{folder}" maxMessageSize="256k" DefaultNetstreamDriver="{driver}" DefaultNetstreamDriverCAFile="{ca}"
  DefaultNetstreamDriverCertFile="{certificate}" DefaultNetstreamDriverKeyFile="{key}")
module(load="imtcp" StreamDriver.Name="{driver}" StreamDriver.Mode="1" StreamDriver.AuthMode="x509/certvalid")
template(name="raw" type="string" string="%rawmsg%\\n")
input(type="imtcp" port="{port}" address="127.0.0.1")
action(type="omfile" file="{folder}/taken" template="raw")
"""


@contextmanager
def rsyslog(folder: Path, authority: Authority, driver: str) -> Iterator[int]:
    """A server that asks for a certificate of its clients; its port."""
    certificate, key = authority.issue("siem", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    values = {"folder": folder, "driver": driver, "ca": authority.file, "certificate": certificate, "key": key, "port": port}
    (folder / "rsyslog.conf").write_text(CONFIGURATION.format(**values))
    command = ["/usr/sbin/rsyslogd", "-n", "-f", str(folder / "rsyslog.conf"), "-i", str(folder / "pid")]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield port
    finally:
        server.terminate()
        server.wait(20)


def taken(folder: Path) -> list[dict[str, object]]:
    file = folder / "taken"
    return [object_of(line) for line in file.read_bytes().splitlines()] if file.exists() else []


def until(done: bool, deadline: float) -> bool:
    assert done or time.monotonic() < deadline
    time.sleep(0.05)
    return not done


@pytest.fixture
def log(fresh_databases: FreshDatabases, tmp_path: Path) -> Iterator[StreamedLog]:
    with fresh_databases.fresh("sqlite") as urls:
        database = Database(urls.application, pool_size=4)
        with streamed_log(database, MovableClock(START), tmp_path) as made:
            yield made
        database.close()


@pytest.mark.parametrize(("driver", "strict", "form"), [("ossl", True, "cef"), ("ossl", True, "ocsf"), ("gtls", False, "ndjson")])
def test_rsyslog_takes_every_entry_once_and_in_order(log: StreamedLog, tmp_path: Path, driver: str, strict: bool, form: str) -> None:
    authority = Authority.make(tmp_path)
    context = ssl.create_default_context(cafile=authority.file)
    context.load_cert_chain(*authority.issue("archive"))
    log.grow(700)
    with rsyslog(tmp_path, authority, driver) as port:
        stream = Stream("siem", "syslog", form, "127.0.0.1", port, strict=strict, context=context)
        with log.sending(stream):
            deadline = time.monotonic() + 60
            while until((log.position("siem") or 0) >= 700 and len(taken(tmp_path)) >= 700, deadline):
                pass
    assert [(line["index"], line["leaf_hash"]) for line in taken(tmp_path) if line["fonds"] == FONDS][:700] == log.leaves()[:700]


def test_rsyslog_that_closes_without_a_word_is_taken_at_its_word_only_where_that_was_configured(log: StreamedLog, tmp_path: Path) -> None:
    # With GnuTLS it answers our close_notify with the end of the TCP connection alone, which anybody on the way could forge.
    authority = Authority.make(tmp_path)
    context = ssl.create_default_context(cafile=authority.file)
    context.load_cert_chain(*authority.issue("archive"))
    log.grow(3)
    with (
        rsyslog(tmp_path, authority, "gtls") as port,
        log.sending(Stream("siem", "syslog", "cef", "127.0.0.1", port, context=context)) as (sender,),
    ):
        deadline = time.monotonic() + 60
        while until(sender.failing.get(FONDS) == "not-closed-in-order", deadline):
            pass
    assert log.position("siem") == 0
