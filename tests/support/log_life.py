"""An open archive's log under a test's hand: grown, waited for until it is signed, and left unsigned for a while."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from audit.events import Actor, Event
from foundation.uow import Unit
from service.house import House
from small_archive import FONDS


def grow(house: House, count: int, fonds: str = FONDS) -> None:
    """Append entries in one unit of work."""

    def append(unit: Unit) -> None:
        for _ in range(count):
            unit.add(Event("archive.started", Actor(), house.desk.clock.now(), reason="grown"))

    house.desk.uow.run(fonds, append)


def signed_up_to(house: House, fonds: str = FONDS) -> int:
    """Wait until all that is durable now is signed; its size."""
    size = next(lag.size for lag in house.publishing.lags() if lag.fonds == fonds)
    deadline = time.monotonic() + 30
    while next(lag.signed for lag in house.publishing.lags() if lag.fonds == fonds) < size:
        assert time.monotonic() < deadline, "the publisher signs nothing"
        time.sleep(0.02)
    return size


@contextmanager
def without_publisher(house: House) -> Iterator[None]:
    """Nothing is signed meanwhile, as if the signer had stopped; what waits is signed soon after the block."""
    house.publisher.round = lambda: None  # type: ignore[method-assign]
    time.sleep(2.5 * house.publisher._interval)  # a round that was running has ended
    try:
        yield
    finally:
        del house.publisher.round
