"""The file of streams is read strictly, and what is secret in it is told to nobody."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from command_line import Terminal
from foundation.clock import MovableClock
from foundation.database import Database
from fresh_databases import FreshDatabases
from house_rules import ROOT
from service import logs
from service.http.metrics import Metrics
from service.streams.config import Stream, read_streams
from service.streams.errors import StreamsRefused
from service.streams.sending import Sender
from service.wiring import open_archive
from small_archive import START, settings_for, small_archive
from stream_receivers import SECRET, WHSEC, Authority, SyslogServer, Taken, WebhookServer, closing
from streamed_log import streamed_log

KNOWN = ("system", "F001")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.touch(0o600)
    path.write_text(f"{WHSEC}\n")
    return path


def read(tmp_path: Path, text: str) -> tuple[Stream, ...]:
    path = tmp_path / "streams.toml"
    path.write_text(text, encoding="utf-8")
    return read_streams(path, KNOWN)


def test_streams_are_read_with_what_is_usual_where_nothing_is_said(tmp_path: Path, secret: Path) -> None:
    siem, hook = read(
        tmp_path,
        f'[siem]\nkind = "syslog"\nhost = "siem.example"\n'
        f'[hook]\nkind = "webhook"\nurl = "https://hook.example/in?tenant=1"\nsecret = "{secret}"\nfonds = ["F001"]\nstart = "newest"\n',
    )
    assert (siem.form, siem.port, siem.tls, siem.strict, siem.newest) == ("cef", 6514, True, True, False)
    assert siem.sends("F001")
    assert siem.sends("anything")
    assert (hook.form, hook.host, hook.port, hook.path, hook.newest) == ("ndjson", "hook.example", 443, "/in?tenant=1", True)
    assert hook.secrets == (SECRET,)
    assert (hook.sends("F001"), hook.sends("system")) == (True, False)
    assert read_streams(None, KNOWN) == ()


def test_the_example_of_the_page_of_operations_is_read_as_it_stands(tmp_path: Path, secret: Path) -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    block = page[page.index("    [siem]") :].split("\n\n文件")[0]
    authority = Authority.make(tmp_path)
    certificate, key = authority.issue("archive")
    files = {"siem-ca.pem": authority.file, "client.pem": certificate, "client.key": key, "webhook": secret}
    for name, path in files.items():
        block = block.replace(f"/etc/petition-archive/{name}", str(path))
    siem, platform = read(tmp_path, block.replace("QH01", "F001"))
    assert (siem.name, siem.host, siem.strict, platform.name, platform.newest) == ("siem", "siem.example", True, "office-platform", True)


SYSLOG = '[a]\nkind = "syslog"\nhost = "siem.example"\n'
HOOK = '[a]\nkind = "webhook"\nurl = "https://hook.example/"\nsecret = "{secret}"\n'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a = 1", "table"),
        ('[A]\nkind = "syslog"', "small letters"),
        ("[a]\n", "kind is"),
        ('[a]\nkind = "email"\n', "kind is"),
        ("[a\n", "TOML"),
        (SYSLOG + 'url = "x"\n', "no member url"),
        (SYSLOG + "hots = 1\n", "no member hots"),
        (SYSLOG + 'port = "6514"\n', "wrong type"),
        (SYSLOG + "port = true\n", "wrong type"),
        (SYSLOG + "port = 0\n", "port"),
        (SYSLOG + 'form = "csv"\n', "form is"),
        (SYSLOG + 'fonds = ["F009"]\n', "fonds"),
        (SYSLOG + "fonds = [7]\n", "fonds"),
        (SYSLOG + 'start = "now"\n', "start is"),
        (SYSLOG + 'acknowledge = "no"\n', "acknowledge is"),
        (SYSLOG + 'ca = "/nonexistent"\n', "ca, certificate"),
        (SYSLOG + 'certificate = "/nonexistent"\n', "together"),
        (SYSLOG + 'certificate = "/nonexistent"\nkey = "/nonexistent"\n', "key cannot be read"),
        ('[a]\nkind = "syslog"\nhost = "si em"\n', "host"),
        ('[a]\nkind = "syslog"\n', "host"),
        (HOOK.replace("https://hook.example/", "http://hook.example/"), "https"),
        (HOOK.replace("https://hook.example/", "ftp://hook.example/"), "https"),
        (HOOK.replace("https://hook.example/", "https://u:p@hook.example/"), "user"),
        (HOOK.replace("https://hook.example/", "https://hook.example/#x"), "fragment"),
        (HOOK.replace("https://hook.example/", "https://hook.example:99999/"), "address"),
        (HOOK.replace("https://hook.example/", "https://hook.example/a b"), "path"),
        (HOOK.replace("https://hook.example/", "https:///x"), "host"),
        (HOOK.replace("{secret}", "/nonexistent"), "secret cannot be read"),
        (HOOK + 'form = "cef"\n', "form is"),
    ],
)
def test_a_file_of_streams_that_means_nothing_is_refused_and_says_why(tmp_path: Path, secret: Path, text: str, why: str) -> None:
    with pytest.raises(StreamsRefused) as refused:
        read(tmp_path, text.replace("{secret}", str(secret)))
    assert why in refused.value.text_en
    assert refused.value.text_zh


@pytest.mark.parametrize("content", ["", "x", WHSEC.removeprefix("whsec_"), "whsec_AAAA", "whsec_!", f"{WHSEC} {WHSEC} {WHSEC}"])
def test_a_secret_that_is_none_is_refused_and_not_repeated(tmp_path: Path, secret: Path, content: str) -> None:
    secret.write_text(content)
    with pytest.raises(StreamsRefused) as refused:
        read(tmp_path, HOOK.replace("{secret}", str(secret)))
    assert content == "x" or not content or content not in refused.value.text_en + refused.value.text_zh


def _readable(path: Path, authority: Authority) -> str:
    path.chmod(0o640)
    return HOOK.replace("{secret}", str(path))


def _key_readable(path: Path, authority: Authority) -> str:
    certificate, key = authority.issue("archive")
    key.chmod(0o604)
    return f'{SYSLOG}certificate = "{certificate}"\nkey = "{key}"\n'


@pytest.mark.parametrize("text", [_readable, _key_readable])
def test_secrets_that_others_may_read_are_refused(tmp_path: Path, secret: Path, text: Callable[[Path, Authority], str]) -> None:
    with pytest.raises(StreamsRefused, match="streams-refused") as refused:
        read(tmp_path, text(secret, Authority.make(tmp_path)))
    assert "chmod 600" in refused.value.text_en


def test_another_place_is_another_destination_and_another_key_is_not(tmp_path: Path, secret: Path) -> None:
    def of(**changes: Any) -> str:
        values: dict[str, Any] = {
            "name": "a",
            "kind": "webhook",
            "form": "ndjson",
            "host": "h",
            "port": 1,
            "path": "/x",
            "secrets": (b"k",),
        }
        return Stream(**(values | changes)).destination

    assert len({of(), of(host="i"), of(port=2), of(path="/y"), of(form="ocsf"), of(kind="syslog")}) == 6
    assert of() == of(secrets=(b"other",)) == of(name="b")


def _fails(sender: Sender, _taken: Taken) -> bool:
    return bool(sender.failing)


def test_a_configured_stream_speaks_to_no_receiver_but_the_one_it_names(
    tmp_path: Path, secret: Path, database: Database, clock: MovableClock
) -> None:
    for folder in ("trusted", "stranger"):
        (tmp_path / folder).mkdir()
    trusted, stranger = Authority.make(tmp_path / "trusted"), Authority.make(tmp_path / "stranger")
    servers: list[SyslogServer | WebhookServer] = [
        SyslogServer(stranger.issue("siem", "127.0.0.1")),
        SyslogServer(trusted.issue("elsewhere", "elsewhere.example")),
        WebhookServer(stranger.issue("hook", "127.0.0.1")),
    ]
    text = "".join(
        f'[s{n}]\nkind = "syslog"\nhost = "127.0.0.1"\nport = {servers[n].listener.port}\nca = "{trusted.file}"\n' for n in (0, 1)
    )
    text += f'[s2]\nkind = "webhook"\nurl = "{servers[2].listener.port}"\nsecret = "{secret}"\nca = "{trusted.file}"\n'
    text = text.replace(f'"{servers[2].listener.port}"', f'"https://127.0.0.1:{servers[2].listener.port}/"')
    with streamed_log(database, clock, tmp_path) as log, closing(*servers):
        log.grow(3)
        with log.sending(*read(tmp_path, text)) as senders:
            for server, sender in zip(servers, senders, strict=True):
                server.taken.wait_for(partial(_fails, sender))
            assert [set(sender.failing.values()) for sender in senders] == [{"certificate-refused"}] * 3
        assert [server.taken.lines for server in servers] == [[], [], []]
        assert [log.position(f"s{n}") for n in range(3)] == [0, 0, 0]


def test_a_served_archive_sends_its_log_tells_metrics_and_keeps_secrets_and_paths_to_itself(
    fresh_databases: FreshDatabases, tmp_path: Path
) -> None:
    authority = Authority.make(tmp_path)
    syslog, hook = SyslogServer(authority.issue("siem", "127.0.0.1")), WebhookServer(fault=lambda _: "500")
    secret = tmp_path / "secret"
    secret.touch(0o600)
    secret.write_text(WHSEC)
    streams = tmp_path / "streams.toml"
    streams.write_text(
        f'[siem]\nkind = "syslog"\nhost = "127.0.0.1"\nport = {syslog.listener.port}\nform = "ocsf"\nca = "{authority.file}"\n'
        f'[hook]\nkind = "webhook"\nurl = "{hook.url("/path-that-is-a-secret")}"\nsecret = "{secret}"\nfonds = ["system"]\n'
    )
    home = tmp_path / "home"
    home.mkdir()
    with closing(syslog, hook), fresh_databases.fresh("sqlite") as urls, small_archive(urls, home) as archive:
        archive.house.close()
        house = open_archive(settings_for(urls, home, streams=streams), clock=MovableClock(START))
        written = StringIO()
        logs.configure("info", written)
        try:
            syslog.taken.wait_for(lambda taken: len(taken.indices("F001")) > 20 and len(taken.indices("system")) > 2)
            hook.taken.wait_for(lambda taken: taken.exchanges > 2)
            exposition = Metrics().text(house).decode()
            beside = Terminal(home, {"ARCHIVE_HOME": str(home), "ARCHIVE_KEY_RING_CREDENTIAL": str(home / "keys" / "credential")})
            beside.environment["ARCHIVE_DATABASE_URL"] = urls.application
            listed = beside.run("audit", "streams")
            house.streams.senders[0]._report("siem", "F001", "connection-TimeoutError")
            logging.getLogger("elsewhere").warning("a library's warning")
        finally:
            house.close()
            logs.configure("info", archive.log)
        entries = [entry.data for entry in archive.entries("log.stream-begun", fonds="system")]
    assert 'archive_stream_behind_entries{stream="siem"} ' in exposition
    assert listed.status == 0, listed.text
    rows = [line.split() for line in listed.text.splitlines()[1:]]
    assert [row[:2] for row in rows] == [["hook", "system"], ["siem", "F001"], ["siem", "F002"], ["siem", "system"]]
    assert rows[0][2] == "0"
    assert int(rows[1][2]) > 20
    assert 'archive_stream_failing{code="status-500",fonds="system",stream="hook"} 1.0' in exposition
    assert [sorted(entry) for entry in entries] == [["form", "host", "port", "position", "receiver", "stream"]] * 2
    said = written.getvalue()
    assert '"event": "log.stream-failing"' in said
    assert '"stream": "siem"' in said
    everything = said + exposition + listed.text + repr(house.streams.senders[1].stream) + repr(entries)
    for hidden in (WHSEC, WHSEC[6:], repr(SECRET), "path-that-is-a-secret"):
        assert hidden not in everything
    assert {asked[""] for asked, _ in hook.requests} == {"POST /path-that-is-a-secret HTTP/1.1"}


def test_an_archive_with_a_file_of_streams_that_is_refused_serves_nothing(fresh_databases: FreshDatabases, tmp_path: Path) -> None:
    streams = tmp_path / "streams.toml"
    streams.write_text('[siem]\nkind = "syslog"\nhost = "siem.example"\nfonds = ["F404"]\n')
    home = tmp_path / "home"
    home.mkdir()
    with fresh_databases.fresh("sqlite") as urls, small_archive(urls, home) as archive:
        archive.house.close()
        with pytest.raises(StreamsRefused):
            open_archive(settings_for(urls, home, streams=streams), clock=MovableClock(START))
        open_archive(settings_for(urls, home, streams=streams), purpose="act", clock=MovableClock(START)).close()
