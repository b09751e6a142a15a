"""How each log is, for whoever watches: how much is signed, since when the rest waits, and when the log last gave a sign of life."""

from __future__ import annotations

from dataclasses import dataclass

from audit.heartbeat import last_beats
from audit.publishing import Publishing
from foundation.clock import to_ms

# A checkpoint follows an entry within `ARCHIVE_PUBLISH_SECONDS`, a minute at most: what waits for two is not being signed.
UNSIGNED_SECONDS = 120.0
# A quiet log gives a sign of life once in an interval; one that was missed may have been a restart.
INTERVALS = 2


@dataclass(frozen=True, slots=True)
class LogState:
    """One log. Instants are POSIX seconds, None where there was none; `unsigned_seconds` is the age of the oldest entry not covered."""

    fonds: str
    size: int
    signed: int
    unsigned_seconds: float
    newest: float | None
    signed_at: float | None
    beat: float | None

    @property
    def is_late(self) -> bool:
        """Whether entries wait for a signature for longer than a signer that runs lets them."""
        return self.unsigned_seconds > UNSIGNED_SECONDS

    def is_silent(self, now: float, interval: int) -> bool:
        """Whether the log gave no sign of life for longer than it may; never where it gives none by itself (interval 0)."""
        return bool(interval) and self.newest is not None and abs(now - self.newest) > INTERVALS * interval


def states(publishing: Publishing) -> list[LogState]:
    """Return the state of every log of the database, by fonds."""
    lags = publishing.lags()
    with publishing.db.read() as conn:
        beats = last_beats(conn)
    now_ms = to_ms(publishing.clock.now())
    return [
        LogState(
            fonds=lag.fonds,
            size=lag.size,
            signed=lag.signed,
            unsigned_seconds=0.0 if lag.waiting_ms is None else max(0, now_ms - lag.waiting_ms) / 1000,
            newest=_seconds(lag.newest_ms),
            signed_at=_seconds(lag.signed_ms),
            beat=_seconds(beats.get(lag.fonds)),
        )
        for lag in lags
    ]


def _seconds(ms: int | None) -> float | None:
    return None if ms is None else ms / 1000
