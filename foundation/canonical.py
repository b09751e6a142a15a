"""The one canonical JSON form: RFC 8785 (JCS). Bytes that are hashed, signed or keyed come from here."""

from __future__ import annotations

import json
from typing import Any

import rfc8785

_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, sort_keys=True, separators=(",", ":")).encode
_SAFE_INTEGER = 2**53 - 1


def canonical(value: Any) -> bytes:
    """Return the RFC 8785 bytes of a JSON value (tuples count as arrays); integers beyond 2**53 - 1 are refused.

    Of a value without floats and with ASCII keys the standard library's sorted compact JSON is the canonical form, at a tenth of the
    library's time; a law in the tests holds the two equal. Everything else goes to the library.
    """
    return _encode(value).encode() if _plain(value) else rfc8785.dumps(value)


def _plain(value: Any) -> bool:
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is dict:
        for key, item in value.items():
            # Most members are texts: they are seen to here, without another call.
            if type(key) is not str or not key.isascii() or (type(item) is not str and not _plain(item)):
                return False
        return True
    if kind is list or kind is tuple:
        return all(map(_plain, value))
    return kind is int and -_SAFE_INTEGER <= value <= _SAFE_INTEGER
