"""What copying a log from a service costs when the service, or the log, is not what it says."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit.errors import ExportDiffers
from command_line import Terminal
from service.cli.log_copy import copy_log
from service.cli.terminal import CommandFailed
from signed_log import SigningKey, path_name, write_log
from tlog.errors import NoKnownSignature, SignatureInvalid
from tlog.note import VerifierKey
from tlog.tiles import Tile
from tlog.verify import verify_export

SIGNER = SigningKey.from_seed("archive.example/fonds-1", 7)
KEY = VerifierKey.parse(SIGNER.vkey())


class Refused(Exception):
    """The service does not have that file."""


class Service:
    """A log served from a folder, which counts what is asked of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked = folder, list[str]()

    def fetch(self, name: str) -> bytes:
        self.asked.append(name)
        if not (self.folder / name).is_file():
            raise Refused(name)
        return (self.folder / name).read_bytes()


@pytest.fixture
def service(tmp_path: Path) -> Service:
    write_log(tmp_path / "served", [b"%d" % n for n in range(600)], SIGNER)
    return Service(tmp_path / "served")


@pytest.fixture
def soon() -> Iterator[None]:
    """Ends a test that counts or waits for ever."""

    def ring(_signal: int, _frame: object) -> None:
        raise AssertionError("no answer after 5 seconds")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(5)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def test_a_copy_is_whole_and_counts_its_files_to_the_last(service: Service, tmp_path: Path) -> None:
    counted: list[tuple[int, int]] = []
    assert copy_log(service.fetch, tmp_path / "copy", lambda done, of: counted.append((done, of)), KEY) == 600
    assert verify_export(tmp_path / "copy", KEY).files == 7
    assert counted == [(done, 7) for done in range(1, 8)]
    assert len(service.asked) == len(set(service.asked)) == 8, "nothing is fetched twice"


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 65_535, 65_536, 65_537])
def test_as_many_files_are_announced_as_there_are_on_both_sides_of_every_edge(size: int, tmp_path: Path) -> None:
    note = SIGNER.checkpoint([b"l" * 32] if size else [], size=size)
    counted: list[tuple[int, int]] = []

    def fetch(name: str) -> bytes:
        return note if name == "checkpoint" else b""

    (tmp_path / "copy").mkdir()
    assert copy_log(fetch, tmp_path / "copy", lambda done, of: counted.append((done, of))) == size
    written = sum(1 for path in (tmp_path / "copy").rglob("*") if path.is_file()) - 1
    assert counted == [(done, written) for done in range(1, written + 1)]


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("size", [2**36, 2**62])
def test_a_size_that_the_service_cannot_show_the_end_of_copies_nothing(size: int, service: Service, tmp_path: Path) -> None:
    (service.folder / "checkpoint").write_bytes(SIGNER.checkpoint([b"l" * 32], size=size))
    with pytest.raises(Refused):
        copy_log(service.fetch, tmp_path / "copy")
    assert service.asked == ["checkpoint", path_name("entries", size // 256 - 1, 256)]
    assert [path for path in tmp_path.rglob("copy/*") if path.is_file()] == []


@pytest.mark.usefixtures("soon")
def test_a_service_that_makes_up_a_log_without_end_is_answered_one_file_at_a_time(tmp_path: Path) -> None:
    asked = []

    def fetch(name: str) -> bytes:
        asked.append(name)
        if len(asked) == 10:
            raise Refused(name)
        return SIGNER.checkpoint([b"l" * 32], size=2**62) if name == "checkpoint" else b"made up"

    with pytest.raises(Refused):
        copy_log(fetch, tmp_path / "copy")
    assert {Tile.parse(name).n for name in asked[2:]} == {0, 1, 2, 3}


def test_a_log_is_not_copied_over_another_or_over_more_of_itself(service: Service, tmp_path: Path) -> None:
    copy_log(service.fetch, tmp_path / "copy", key=KEY)
    before = {path: path.read_bytes() for path in (tmp_path / "copy").rglob("*") if path.is_file()}
    stranger = SigningKey.from_seed("archive.example/fonds-2", 9)
    write_log(tmp_path / "another", [b"%d" % n for n in range(700)], stranger)
    with pytest.raises(CommandFailed) as refused:
        copy_log(Service(tmp_path / "another").fetch, tmp_path / "copy")
    assert "archive.example/fonds-1 的导出，不是 archive.example/fonds-2 的" in refused.value.zh
    write_log(tmp_path / "shorter", [b"%d" % n for n in range(599)], SIGNER)
    with pytest.raises(ExportDiffers):
        copy_log(Service(tmp_path / "shorter").fetch, tmp_path / "copy")
    assert {path: path.read_bytes() for path in (tmp_path / "copy").rglob("*") if path.is_file()} == before
    assert verify_export(tmp_path / "copy", KEY).files == 7


def test_a_checkpoint_of_another_signer_copies_nothing(service: Service, tmp_path: Path) -> None:
    for seed, size, kind in ((8, 600, NoKnownSignature), (7, 601, SignatureInvalid)):
        note = SigningKey.from_seed(SIGNER.name, seed).checkpoint([b"l" * 32], size=600)
        (service.folder / "checkpoint").write_bytes(note.replace(b"600", b"%d" % size))
        with pytest.raises(kind):
            copy_log(service.fetch, tmp_path / "copy", key=KEY)
        assert set(service.asked) == {"checkpoint"}
        assert not (tmp_path / "copy").exists()


@pytest.mark.usefixtures("soon")
def test_an_older_checkpoint_that_is_a_pipe_is_not_waited_for(service: Service, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    terminal = Terminal(Path("/nonexistent"), {"ARCHIVE_HOME": "/nonexistent"})
    said = terminal.run("audit", "verify", str(service.folder), "--key", SIGNER.vkey(), "--against", str(tmp_path / "pipe"))
    assert said.status == 2
    assert "--against" in said.text
