"""Logs of several shapes, written once and copied for each attack."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from signed_log import SigningKey, write_log
from tlog.note import VerifierKey


@pytest.fixture(scope="session")
def signer() -> SigningKey:
    return SigningKey.from_seed("archive.example/fonds-1", 7)


@pytest.fixture(scope="session")
def key(signer: SigningKey) -> VerifierKey:
    return VerifierKey.parse(signer.vkey())


@pytest.fixture(scope="session")
def entries() -> list[bytes]:
    """70,000 short entries: a tree with full tiles at levels 0 and 1 and a partial one at level 2."""
    return [b'{"n":%d}' % n for n in range(70_000)]


@pytest.fixture(scope="session")
def big_log(tmp_path_factory: pytest.TempPathFactory, signer: SigningKey, entries: list[bytes]) -> Path:
    directory = tmp_path_factory.mktemp("big")
    write_log(directory, entries, signer)
    return directory


@pytest.fixture(scope="session")
def small_log(tmp_path_factory: pytest.TempPathFactory, signer: SigningKey, entries: list[bytes]) -> Path:
    """600 entries, with what the sizes 3, 255, 256, 300 and 520 left behind."""
    directory = tmp_path_factory.mktemp("small")
    write_log(directory, entries[:600], signer, older=(3, 255, 256, 300, 520))
    return directory


@pytest.fixture
def log(tmp_path: Path, small_log: Path) -> Path:
    """A copy of the log of 600 entries, to be attacked."""
    return Path(shutil.copytree(small_log, tmp_path / "log"))


@pytest.fixture
def at_once() -> Iterator[None]:
    """Waiting for what never comes is a failure, not a test run that stands still."""

    def ring(_signal: int, _frame: object) -> None:
        raise AssertionError("still waiting after 20 seconds")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
