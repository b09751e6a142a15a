"""The outer form of a signed token (JWS compact serialisation, RFC 7515), read strictly before any key or claim is looked at.

Two readers must never see two tokens in the same bytes: one spelling of base64url (no padding, no stray bits, no other characters), JSON
without duplicate keys, three parts, a size limit before anything is decoded, and only the header members we know. A header that brings its
own key or its address (`jwk`, `jku`, `x5u`, `x5c`), compresses, or asks for an extension (`crit`, `b64`) is refused, never ignored.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Any

from auth.errors import TokenRefused
from foundation import strict_json
from foundation.errors import InvalidInput

MOST_BYTES = 8 * 1024
HEADER_MEMBERS = frozenset({"alg", "kid", "typ"})
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Compact:
    """A token taken apart, nothing of it verified: header members (all text), payload and signature, and the bytes that were signed."""

    header: dict[str, str]
    payload: bytes
    signature: bytes
    signed: bytes


def take_apart(token: str) -> Compact:
    """Take a token apart; TokenRefused says what is wrong with its form."""
    if len(token) > MOST_BYTES:
        raise TokenRefused("size")
    parts = token.split(".")
    if len(parts) != 3:
        raise TokenRefused("parts")
    header_part, payload_part, signature_part = parts
    header = _json_object(decode(header_part), "header")
    if not header.keys() <= HEADER_MEMBERS:
        raise TokenRefused("header-member")
    if any(not isinstance(value, str) or not 0 < len(value) <= 200 for value in header.values()) or "alg" not in header:
        raise TokenRefused("header-value")
    return Compact(header, decode(payload_part), decode(signature_part), f"{header_part}.{payload_part}".encode("ascii"))


def claims(payload: bytes) -> dict[str, Any]:
    """Read a payload as a JSON object."""
    return _json_object(payload, "claims")


def decode(part: str) -> bytes:
    """Decode base64url as RFC 7515 writes it: no padding, at least one character, and only the one spelling of these bytes."""
    if _BASE64URL.fullmatch(part) is None or len(part) % 4 == 1:
        raise TokenRefused("base64url")
    raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if encode(raw) != part:
        raise TokenRefused("base64url")
    return raw


def encode(raw: bytes) -> str:
    """Write base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _json_object(raw: bytes, what: str) -> dict[str, Any]:
    try:
        value = strict_json.loads(raw, max_bytes=MOST_BYTES, max_depth=8)
    except InvalidInput as error:
        raise TokenRefused(f"{what}-{error.faults[0].rule}") from None
    if not isinstance(value, dict):
        raise TokenRefused(f"{what}-not-an-object")
    return value
