from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Protocol

import pytest

from archive_doors import Door
from scripted_archive import ScriptedArchive, scripted_archive


class OpenDoor(Protocol):
    def __call__(self, url: str, **options: Any) -> Door: ...


@pytest.fixture(params=["sync", "async"])
def open_door(request: pytest.FixtureRequest) -> Iterator[OpenDoor]:
    """Opens a client of either kind."""
    with ExitStack() as stack:

        def make(url: str, **options: Any) -> Door:
            door = Door(request.param, url, **options)
            stack.callback(door.close)
            return door

        yield make


@pytest.fixture
def archive() -> Iterator[ScriptedArchive]:
    with scripted_archive() as running:
        yield running


@pytest.fixture
def other_host() -> Iterator[ScriptedArchive]:
    with scripted_archive() as running:
        yield running


@pytest.fixture
def door(open_door: OpenDoor, archive: ScriptedArchive) -> Door:
    return open_door(archive.url)
