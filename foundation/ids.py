"""Identifiers: UUID version 7 (RFC 9562, section 5.7), in their canonical lower-case text.

An id carries the millisecond of its making and 74 random bits, so it sorts by time and cannot be guessed.
"""

from __future__ import annotations

import os
import re
import threading

from foundation.clock import wall_ms

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
"""The two variant bits 10, then two random bits of four."""
_lock = threading.Lock()
_last_ms = 0


def new_id() -> str:
    """Make an id; within one process later ids never carry an earlier millisecond, even when the clock steps back."""
    return new_ids(1)[0]


def new_ids(count: int) -> list[str]:
    """Make several ids of one millisecond at once."""
    global _last_ms  # noqa: PLW0603  the monotonic floor is the point of this module
    with _lock:
        _last_ms = max(_last_ms, wall_ms())
        milliseconds = _last_ms
    time = f"{milliseconds & (1 << 48) - 1:012x}"
    lead = f"{time[:8]}-{time[8:]}-7"
    random = os.urandom(10 * count).hex()
    return [
        f"{lead}{random[at : at + 3]}-{_VARIANT[random[at + 3]]}{random[at + 4 : at + 7]}-{random[at + 7 : at + 19]}"
        for at in range(0, 20 * count, 20)
    ]


def is_id(text: object) -> bool:
    """Tell whether `text` is an id in its one canonical form (other spellings of the same UUID are not)."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None
