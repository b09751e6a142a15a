"""Identifiers: UUID version 7 (RFC 9562, section 5.7), in their canonical lower-case text.

An id carries the millisecond of its making and 74 random bits, so it sorts by time and cannot be guessed.
"""

from __future__ import annotations

import os
import re
import threading

from foundation.clock import wall_ms

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_lock = threading.Lock()
_last_ms = 0


def new_id() -> str:
    """Make an id; within one process later ids never carry an earlier millisecond, even when the clock steps back."""
    global _last_ms  # noqa: PLW0603  the monotonic floor is the point of this module
    random = int.from_bytes(os.urandom(10), "big")
    with _lock:
        _last_ms = max(_last_ms, wall_ms())
        milliseconds = _last_ms
    value = (milliseconds & (1 << 48) - 1) << 80 | 0x7 << 76 | (random >> 68 & 0xFFF) << 64 | 0b10 << 62 | random & (1 << 62) - 1
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def is_id(text: object) -> bool:
    """Tell whether `text` is an id in its one canonical form (other spellings of the same UUID are not)."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None
