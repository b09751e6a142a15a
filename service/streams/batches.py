"""What is sent at once: entries of one log, in order, each in its form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from reviews.copies_rows import Row


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries that follow each other, at least one, and the checkpoint that signs them."""

    fonds: str
    rows: tuple[Row, ...]
    checkpoint: bytes

    @property
    def end(self) -> int:
        """The index after the last entry."""
        return self.rows[-1].index + 1


class Receiver(Protocol):
    """A receiver of one stream."""

    def deliver(self, batch: Batch) -> None:
        """Return once the receiver has taken the whole batch; DeliveryFailed where it has not, or that is not known."""
        ...

    def break_off(self) -> None:
        """End a delivery that is going on, from another thread; none begins any more."""
        ...
