"""Bodies held in memory at once, all requests together: bounded, whoever sends them."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, Final

from service.http.errors import BodiesBusy

# In a request's state: how many bytes it holds. The door gives them back when the request is answered.
HELD: Final = "held_bytes"
_LARGEST_AT_ONCE: Final = 8


class Bodies:
    """The room for bodies; used from the event loop alone."""

    def __init__(self, largest: int) -> None:
        """Room for eight bodies of the largest size, in bytes. Only what has arrived takes room."""
        self._room = _LARGEST_AT_ONCE * largest

    def take(self, state: MutableMapping[str, Any], size: int) -> None:
        """Let a request hold `size` bytes more; BodiesBusy."""
        if size > self._room:
            raise BodiesBusy
        self._room -= size
        state[HELD] = state.get(HELD, 0) + size

    def release(self, size: int) -> None:
        """What a request held is free again."""
        self._room += size
