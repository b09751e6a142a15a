"""The log of a running service, read by outsiders while it grows: over HTTP without an account, and as the static export it becomes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit.export import export
from fresh_databases import BACKENDS, FreshDatabases
from growing_log import Outsider, under_load
from live_archive import live_archive
from log_life import signed_up_to
from other_checkers import aics_checker, go_checker
from service.cli.log_copy import copy_log
from small_archive import FONDS, SmallArchive
from tlog.note import VerifierKey
from tlog.verify import verify_export

# Past two full tiles more than there were, so that tiles become full and a hash of level 1 is added while others read.
MORE = 600


@pytest.fixture(scope="module", params=BACKENDS)
def growing(
    request: pytest.FixtureRequest, fresh_databases: FreshDatabases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SmallArchive]:
    with fresh_databases.fresh(request.param) as urls, live_archive(urls, tmp_path_factory.mktemp("growing")) as archive:
        yield archive


def vkey(archive: SmallArchive) -> str:
    return archive.house.publishing.signers(FONDS, 1).vkey


def test_each_checkpoint_seen_under_load_extends_the_last_and_has_all_tiles_of_its_size(growing: SmallArchive) -> None:
    outsider = Outsider(growing, VerifierKey.parse(vkey(growing)))
    outsider.look()
    with under_load(growing) as stopped:
        outsider.follow(outsider.size + MORE, stopped)
    outsider.finish()
    assert len(outsider.seen) >= 4


@pytest.mark.golang
def test_the_go_client_follows_a_log_under_load_over_http_and_accepts_its_export(growing: SmallArchive, tmp_path: Path) -> None:
    check = go_checker(tmp_path)
    size = signed_up_to(growing.house)
    kept = growing.http.get(f"{growing.url}/log/{FONDS}/checkpoint").content
    said: list[tuple[bool, str]] = []
    reading = threading.Thread(target=lambda: said.append(check(f"{growing.url}/log/{FONDS}", vkey(growing), size + MORE)))
    with under_load(growing) as stopped:
        reading.start()
        while reading.is_alive() and not stopped.wait(0.1):
            pass
    signed_up_to(growing.house)
    reading.join(timeout=60)
    (accepted, words) = said[0]
    assert accepted, words
    assert int(words.split(" checkpoints")[0].rpartition(" ")[2]) >= 3
    (tmp_path / "kept").write_bytes(kept)
    published = export(growing.house.desk.db, FONDS, tmp_path / "log")
    accepted, words = check(tmp_path / "log", vkey(growing), tmp_path / "kept")
    assert (accepted, f"{published.size} entries" in words, f"extends {size}" in words) == (True, True, True), words


@pytest.mark.golang
def test_the_go_client_rejects_a_served_log_that_is_signed_by_another_key(growing: SmallArchive, tmp_path: Path) -> None:
    signed_up_to(growing.house)
    other = growing.house.publishing.signers("system", 1).vkey
    accepted, words = go_checker(tmp_path)(f"{growing.url}/log/{FONDS}", other, 1)
    assert not accepted, words


@pytest.mark.other_checkers
def test_a_copy_taken_over_http_is_the_export_and_is_accepted_by_checkers_in_python(growing: SmallArchive, tmp_path: Path) -> None:
    outsider = Outsider(growing, VerifierKey.parse(vkey(growing)))
    outsider.look()
    with under_load(growing) as stopped:
        outsider.follow(outsider.size + 100, stopped)
    outsider.finish()
    with growing.as_("auditadmin") as auditor:

        def fetch(name: str) -> bytes:
            answer = auditor.get(f"/log/{FONDS}/{name}")
            assert answer.status_code == 200, (name, answer.text)
            return answer.content

        size = copy_log(fetch, tmp_path / "copy")
    (tmp_path / "kept").write_bytes(outsider.seen[0][1])
    for log in (tmp_path / "copy", tmp_path / "log"):
        if log.name == "log":
            signed_up_to(growing.house)
            export(growing.house.desk.db, FONDS, log)
        accepted, words = aics_checker()(log, vkey(growing), tmp_path / "kept")
        assert accepted, words
        report = verify_export(log, VerifierKey.parse(vkey(growing)), against=outsider.seen[0][1])
        assert report.checkpoint.size >= size
    for path in (tmp_path / "copy" / "tile").rglob("*"):
        if path.is_file() and ".p" not in str(path):
            assert path.read_bytes() == (tmp_path / "log" / path.relative_to(tmp_path / "copy")).read_bytes()
