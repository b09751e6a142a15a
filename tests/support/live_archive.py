"""The small archive on the machine's own clock, for clients that sign their assertions by it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from foundation.clock import MovableClock, SystemClock
from fresh_databases import DatabaseUrls
from petition_archive_client.assertion import ClientKey
from small_archive import FONDS, PUBLIC_URL, SOURCE, SmallArchive, small_archive
from vault.signer import LogSigner

AUDIENCE = f"{PUBLIC_URL}/v1/token"


class RunningClock(MovableClock):
    """Runs with the machine's clock, and is never moved."""

    def __init__(self) -> None:
        super().__init__(datetime.now(UTC))

    def now(self) -> datetime:
        return SystemClock().now()


@contextmanager
def live_archive(urls: DatabaseUrls, folder: Path) -> Iterator[SmallArchive]:
    with small_archive(urls, folder, RunningClock()) as archive:
        yield archive


def options_of(archive: SmallArchive, system: str = SOURCE) -> dict[str, Any]:
    """How a registered case system of the archive opens its client."""
    known = archive.systems[system]
    return {"client": known.client.name, "key": ClientKey(known.key), "audience": AUDIENCE}


def log_key(archive: SmallArchive, fonds: str = FONDS) -> str:
    """The public key of the fonds' log, as its office would hand it out."""
    return LogSigner.of(archive.house.desk.keys, fonds).vkey
