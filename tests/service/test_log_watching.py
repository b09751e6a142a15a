"""A stopped signer, a refused log, a queue that does not move, a silence: each shows in the metrics and in `audit status`, and so does
its end.
"""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from audit.sequencing import locked_head
from command_line import INIT, Said, Terminal
from foundation.clock import MovableClock, SystemClock
from foundation.errors import StorageUnavailable
from fresh_databases import BACKENDS, FreshDatabases
from live_archive import live_archive
from log_life import grow, signed_up_to
from service.cli import log_status
from service.http import metrics
from service.wiring import open_archive
from small_archive import FONDS, OTHER_FONDS, SmallArchive, settings_for

ROOT = Path(__file__).resolve().parents[2]
NOWHERE = Terminal(Path("/nonexistent"), {"ARCHIVE_HOME": "/nonexistent"})


@pytest.fixture(params=BACKENDS)
def watched(request: pytest.FixtureRequest, fresh_databases: FreshDatabases, tmp_path: Path) -> Iterator[SmallArchive]:
    """An archive on the machine's clock, for a test to spoil."""
    with fresh_databases.fresh(request.param) as urls, live_archive(urls, tmp_path) as archive:
        for fonds in (FONDS, OTHER_FONDS, "system"):
            signed_up_to(archive.house, fonds)
        yield archive


def gauges(archive: SmallArchive) -> dict[str, dict[tuple[str, ...], float]]:
    """The metrics as a collector reads them: name -> values of labels -> value."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(archive.http.get(f"{archive.url}/metrics").text):
        for sample in family.samples:
            found.setdefault(sample.name.removeprefix("archive_"), {})[tuple(sample.labels.values())] = sample.value
    return found


def asked(archive: SmallArchive) -> Said:
    return NOWHERE.run("audit", "status", "--url", archive.url)


def test_where_all_is_in_order_the_status_says_so_over_http_and_on_the_database(watched: SmallArchive) -> None:
    said = asked(watched)
    assert (said.status, "一切正常" in said.text) == (0, True), said.text
    found = gauges(watched)
    for fonds in (FONDS, OTHER_FONDS, "system"):
        assert found["log_entries"][fonds,] == found["log_signed_entries"][fonds,] > 0
        assert found["log_unsigned_seconds"][fonds,] == found["log_unsigned_entries"][fonds,] == 0
        assert abs(found["log_checkpoint_timestamp_seconds"][fonds,] - time.time()) < 60
    assert "log_publishing_failing" not in found
    assert found["log_heartbeat_interval_seconds"][()] == 3600
    assert found["database_reachable"][()] == 1
    assert found["commit_waiting"][()] == found["commit_oldest_seconds"][()] == 0


def test_the_labels_of_metrics_are_methods_routes_statuses_outcomes_and_fonds_alone(watched: SmallArchive) -> None:
    watched.deposited()
    labels = {
        name
        for family in text_string_to_metric_families(watched.http.get(f"{watched.url}/metrics").text)
        for sample in family.samples
        for name in sample.labels
    }
    assert labels <= {"method", "route", "status", "outcome", "why", "le", "fonds", "code", "witness", "stream"}


def test_every_metric_an_alarm_or_the_page_of_operations_names_is_one_that_is_told(watched: SmallArchive) -> None:
    told = watched.http.get(f"{watched.url}/metrics").text
    alarms = (ROOT / "examples" / "alarms.yml").read_text(encoding="utf-8")
    named = set(re.findall(r"archive_[a-z_]+", alarms))
    assert len(named) >= 8
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    named |= set(re.findall(r"`(archive_(?:log|commit|database|http|stream)_[a-z_]+)", page))
    assert {name for name in named if f"# HELP {name}" not in told} == set()


def test_a_stopped_signer_shows_by_the_age_of_what_it_left_unsigned(watched: SmallArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    watched.house.publisher.stop()
    grow(watched.house, 3)
    time.sleep(1.2)
    found = gauges(watched)
    assert found["log_unsigned_entries"][FONDS,] == 3
    assert found["log_unsigned_seconds"][FONDS,] > 1
    assert found["log_unsigned_seconds"][OTHER_FONDS,] == 0
    assert found["log_publisher_idle_seconds"][()] > 1
    assert asked(watched).status == 0  # a second is no alarm yet
    monkeypatch.setattr("audit.watching.UNSIGNED_SECONDS", 1.0)
    said = asked(watched)
    assert (said.status, f"{FONDS}：3 条日志等候签名" in said.text, "请确认服务在运行" in said.text) == (1, True, True), said.text
    monkeypatch.setattr(log_status, "_IDLE_SECONDS", 1.0)
    assert "签名线程已" in asked(watched).text
    watched.house.publisher.round()
    assert asked(watched).status == 0


def test_a_refused_log_shows_by_its_code_and_by_what_to_do_until_it_is_mended(watched: SmallArchive) -> None:
    anchors = watched.house.publishing.anchors
    anchor, aside = anchors.path(FONDS), anchors.directory.parent / "aside"
    shutil.move(anchor, aside)
    grow(watched.house, 1)
    until(lambda: gauges(watched).get("log_publishing_failing") == {("log-anchor-missing", FONDS): 1})
    said = asked(watched)
    assert (said.status, "log-anchor-missing" in said.text, "请核对 ARCHIVE_ANCHORS" in said.text) == (1, True, True)
    assert watched.http.get(f"{watched.url}/readyz").status_code == 503
    grow(watched.house, 1, OTHER_FONDS)
    signed_up_to(watched.house, OTHER_FONDS)
    shutil.move(aside, anchor)
    signed_up_to(watched.house)
    until(lambda: "log_publishing_failing" not in gauges(watched))
    assert asked(watched).status == 0


def test_a_log_that_another_process_published_meanwhile_is_failing_no_more(watched: SmallArchive) -> None:
    publisher = watched.house.publisher
    publisher.stop()
    publisher.failing[FONDS] = OSError()
    publisher.round()
    assert publisher.failing == {}


def test_a_commit_that_does_not_come_shows_by_its_queue_and_its_age(watched: SmallArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    house = watched.house
    threads = [threading.Thread(target=grow, args=(house, 1)) for _ in range(5)]
    with house.desk.db.write() as held:
        locked_head(held, FONDS)
        threads[0].start()
        time.sleep(1.2)
        found = gauges(watched)
        assert found["commit_oldest_seconds"][()] > 1
        assert found["commit_waiting"][()] == 0  # it is being committed
        for thread in threads[1:]:
            thread.start()
        until(lambda: gauges(watched)["commit_waiting"][()] == 4)
        monkeypatch.setattr(log_status, "_COMMIT_SECONDS", 1.0)
        said = asked(watched)
        assert (said.status, "等候落盘" in said.text, "排队 4 件" in said.text) == (1, True, True), said.text
    for thread in threads:
        thread.join()
    assert asked(watched).status == 0
    assert gauges(watched)["commit_oldest_seconds"][()] == 0


def test_metrics_are_still_told_when_the_database_is_away(watched: SmallArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> Any:
        raise StorageUnavailable

    monkeypatch.setattr(metrics, "states", away)
    assert gauges(watched)["database_reachable"][()] == 0
    said = asked(watched)
    assert (said.status, "服务连不上数据库" in said.text) == (1, True)


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    terminal = Terminal.at(tmp_path_factory.mktemp("founded") / "var")
    assert terminal.run(*INIT).status == 0
    return terminal


def test_a_log_without_a_sign_of_life_is_told_from_the_database_alone(founded: Terminal) -> None:
    assert founded.run("audit", "status").status == 0
    quick = Terminal.at(founded.home, ARCHIVE_HEARTBEAT_SECONDS="1")
    time.sleep(2.2)
    said = quick.run("audit", "status")
    assert (said.status, "此后连心跳也没有" in said.text, "静默 silent" in said.text) == (1, True, True)
    assert founded.run("audit", "status").status == 0
    never = Terminal.at(founded.home, ARCHIVE_HEARTBEAT_SECONDS="0")
    assert never.run("audit", "status").status == 0


def test_a_service_that_runs_keeps_a_quiet_log_alive_and_the_status_says_when_its_heart_beat(
    fresh_databases: FreshDatabases, tmp_path: Path
) -> None:
    with fresh_databases.fresh("sqlite") as urls:
        terminal = Terminal.at(tmp_path / "var", ARCHIVE_HEARTBEAT_SECONDS="1", ARCHIVE_PUBLISH_SECONDS="0.1")
        assert terminal.run(*INIT).status == 0
        settings = settings_for(urls, tmp_path / "var", database_url="", heartbeat_seconds=1, publish_seconds=0.1, index_seconds=0.1)
        house = open_archive(settings)
        try:
            until(lambda: terminal.entries("QH01", "log.heartbeat") >= 2)
            others = terminal.entries("QH01") - terminal.entries("QH01", "log.heartbeat")
            until(lambda: terminal.entries("QH01", "log.heartbeat") >= 5)
            assert terminal.entries("QH01") - terminal.entries("QH01", "log.heartbeat") == others  # nothing follows a beat
            beside = terminal.run("audit", "status")
        finally:
            house.close()
    assert beside.status == 0, beside.text
    line = next(line for line in beside.text.splitlines() if line.startswith("QH01"))
    assert (line.count("+08:00"), "正常 ok" in line) == (2, True)


def test_entries_nobody_signs_are_told_from_the_database_alone(founded: Terminal, tmp_path: Path) -> None:
    shutil.copytree(founded.home, tmp_path / "var")
    terminal = Terminal.at(tmp_path / "var")
    clock = MovableClock(SystemClock().now())
    clock.advance(-600)
    settings = settings_for(type("Urls", (), {"application": ""})(), tmp_path / "var")
    house = open_archive(settings, purpose="act", clock=clock)
    try:
        grow(house, 2, "QH01")
    finally:
        house.close()
    said = terminal.run("audit", "status")
    assert (said.status, "QH01：2 条日志等候签名已 60" in said.text, "未签名 unsigned" in said.text) == (1, True, True), said.text


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [(404, b'{"code":"not-found","detail":"x","detail_zh":"x"}', "ARCHIVE_INTRANET"), (200, b"up 1\n", "应答无法识别")],
)
def test_what_is_no_answer_of_the_archive_is_told_and_never_taken_for_all_is_well(status: int, body: bytes, says: str) -> None:
    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Not here."""

    with HTTPServer(("127.0.0.1", 0), Other) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        said = NOWHERE.run("audit", "status", "--url", f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
    assert (said.status, says in said.text) == (1, True), said.text


def until(holds: Any) -> None:
    """Wait for what has to come true."""
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
