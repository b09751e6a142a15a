"""Sealing second factors under their fonds' detail key in the key ring, bound to the account: a stolen database holds no factor.

Form of a sealed factor: generation of the detail key (4 bytes, big-endian), commitment (32 bytes), sealed value (`vault.details`).
"""

from __future__ import annotations

from auth.totp import SealFactor
from vault.details import Detail, fonds_detail_ref, open_detail, seal_detail
from vault.errors import CannotOpen
from vault.keyring import KeyRing


def factor_seal(ring: KeyRing) -> tuple[SealFactor, SealFactor]:
    """The two callables of `AuthContext`: `seal_factor` and `open_factor`. Opening raises CannotOpen for another account or fonds."""

    def seal(fonds: str, account_id: str, secret: bytes) -> bytes:
        key = ring.detail_key(fonds)
        detail = seal_detail(key, fonds, f"totp {account_id}", secret.decode("ascii"))
        return key.generation.to_bytes(4, "big") + detail.commitment + detail.sealed

    def open_(fonds: str, account_id: str, sealed: bytes) -> bytes:
        if len(sealed) < 36:
            raise CannotOpen
        generation = int.from_bytes(sealed[:4], "big")
        detail = Detail(sealed[4:36], sealed[36:], fonds_detail_ref(generation))
        return open_detail(ring.detail_key(fonds, generation), fonds, f"totp {account_id}", detail).encode("ascii")

    return seal, open_
