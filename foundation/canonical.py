"""The one canonical JSON form: RFC 8785 (JCS). Bytes that are hashed, signed or keyed come from here."""

from __future__ import annotations

from typing import Any

import rfc8785


def canonical(value: Any) -> bytes:
    """Return the RFC 8785 bytes of a JSON value; floats and integers past 2**53 are refused by type or by the library."""
    return rfc8785.dumps(value)
