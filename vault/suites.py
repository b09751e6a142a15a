"""The cipher suites, equal in standing: one AEAD, one MAC, one key derivation and one key wrap each.

1. `aes-256-gcm`: AES-256-GCM (NIST SP 800-38D), HMAC-SHA-256 (RFC 2104), HKDF-SHA-256 (RFC 5869), AES key wrap (RFC 3394).
2. `sm4-gcm`: SM4-GCM (RFC 8998), HMAC-SM3, HKDF-SM3, and SM4-GCM as key wrap - commercial cryptography in the sense of GB/T 39786.

Nonces are 96 random bits. A field key seals a handful of values in its life, so SP 800-38D's bound of 2**32 random nonces a key is
never near. Every failure to open is `CannotOpen`, raised without its cause.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256, SM3, HashAlgorithm
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from vault.errors import CannotOpen, UnknownSuite

NONCE_SIZE: Final = 12
TAG_SIZE: Final = 16
# Both hashes are 32 bytes wide, so one size serves the pseudorandom keys of both suites.
SECRET_SIZE: Final = 32


class Calls:
    """How often the ciphers were called in this process: for measuring, exact while one thread works."""

    __slots__ = ("opened", "sealed", "unwrapped", "wrapped")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start again at nought."""
        self.sealed = self.opened = self.wrapped = self.unwrapped = 0

    def counts(self) -> dict[str, int]:
        """Return the counts by name: `sealed` and `opened` AEAD values, `wrapped` and `unwrapped` keys."""
        return {name: getattr(self, name) for name in ("sealed", "opened", "wrapped", "unwrapped")}


calls = Calls()


Cryptor = Callable[[bytes, bytes, bytes], bytes]
"""(nonce, text, associated data) -> text, under a key that was prepared for it."""


class Suite(ABC):
    """One suite. Keys, nonces and texts are `bytes`; sizes are checked here, so that no caller can weaken them."""

    id: ClassVar[int]
    name: ClassVar[str]
    key_size: ClassVar[int]
    _hash: ClassVar[HashAlgorithm]

    @abstractmethod
    def encrypting(self, key: bytes) -> Cryptor:
        """Prepare a key for sealing: (nonce, plaintext, associated) -> ciphertext followed by the 16-byte tag.

        ValueError on a key or nonce of another size. Kept no longer than the act that seals.
        """

    @abstractmethod
    def decrypting(self, key: bytes) -> Cryptor:
        """Prepare a key for opening: (nonce, ciphertext with tag, associated) -> plaintext, or `CannotOpen`; ValueError as above."""

    def encrypt(self, key: bytes, nonce: bytes, plaintext: bytes, associated: bytes) -> bytes:
        """Seal once."""
        return self.encrypting(key)(nonce, plaintext, associated)

    def decrypt(self, key: bytes, nonce: bytes, sealed: bytes, associated: bytes) -> bytes:
        """Open once."""
        return self.decrypting(key)(nonce, sealed, associated)

    @abstractmethod
    def wrap(self, key: bytes, secret: bytes, associated: bytes) -> bytes:
        """Wrap a key with a key; `associated` is bound where the wrap has room for it (AES-KW has none)."""

    @abstractmethod
    def unwrap(self, key: bytes, wrapped: bytes, associated: bytes) -> bytes:
        """Undo `wrap`, or raise `CannotOpen`."""

    def keyed(self, key: bytes) -> HMAC:
        """Return a MAC prepared with `key`; copy it for each use."""
        return HMAC(key, self._hash)

    def mac(self, key: bytes, data: bytes) -> bytes:
        """Return the 32-byte HMAC of `data`."""
        mac = HMAC(key, self._hash)
        mac.update(data)
        return mac.finalize()

    def hkdf(self, secret: bytes, salt: bytes, info: bytes, size: int) -> bytes:
        """RFC 5869, extract and expand: for input that is not itself a uniformly random key."""
        return self.expand(self.keyed(self.mac(salt or bytes(SECRET_SIZE), secret)), info, size)

    def expand(self, pseudorandom: HMAC, info: bytes, size: int) -> bytes:
        """RFC 5869, section 2.3. Starting here is right for the archive's own keys, which are uniformly random (section 3.3)."""
        if 0 < size <= SECRET_SIZE:
            mac = pseudorandom.copy()
            mac.update(info + b"\x01")
            return mac.finalize()[:size]
        if not 0 < size <= 255 * SECRET_SIZE:
            raise ValueError("HKDF gives at most 255 blocks")
        block, output, counter = b"", b"", 1
        while len(output) < size:
            mac = pseudorandom.copy()
            mac.update(block + info + bytes((counter,)))
            block = mac.finalize()
            output += block
            counter += 1
        return output[:size]

    def _check_key(self, key: bytes) -> None:
        if len(key) != self.key_size:
            raise ValueError("a key of another size than the suite's")


def _check_nonce(nonce: bytes) -> None:
    if len(nonce) != NONCE_SIZE:
        raise ValueError("a nonce is 12 bytes")


class AesSuite(Suite):
    """Suite 1, the default."""

    id = 1
    name = "aes-256-gcm"
    key_size = 32
    _hash = SHA256()

    def encrypting(self, key: bytes) -> Cryptor:
        self._check_key(key)
        seal = AESGCM(key).encrypt

        def encrypt(nonce: bytes, plaintext: bytes, associated: bytes) -> bytes:
            if len(nonce) != NONCE_SIZE:
                _check_nonce(nonce)
            calls.sealed += 1
            return seal(nonce, plaintext, associated)

        return encrypt

    def decrypting(self, key: bytes) -> Cryptor:
        self._check_key(key)
        cipher = AESGCM(key)

        def decrypt(nonce: bytes, sealed: bytes, associated: bytes) -> bytes:
            _check_nonce(nonce)
            calls.opened += 1
            try:
                return cipher.decrypt(nonce, sealed, associated)
            except InvalidTag:
                raise CannotOpen from None

        return decrypt

    def wrap(self, key: bytes, secret: bytes, associated: bytes) -> bytes:  # noqa: ARG002  RFC 3394 binds nothing
        self._check_key(key)
        calls.wrapped += 1
        return aes_key_wrap(key, secret)

    def unwrap(self, key: bytes, wrapped: bytes, associated: bytes) -> bytes:  # noqa: ARG002  RFC 3394 binds nothing
        self._check_key(key)
        calls.unwrapped += 1
        try:
            return aes_key_unwrap(key, wrapped)
        except InvalidUnwrap:
            raise CannotOpen from None


class Sm4Suite(Suite):
    """Suite 2. SM4 has 128-bit keys; the secrets they are derived from are 256 bits in both suites."""

    id = 2
    name = "sm4-gcm"
    key_size = 16
    _hash = SM3()

    def encrypting(self, key: bytes) -> Cryptor:
        self._check_key(key)
        algorithm = algorithms.SM4(key)

        def encrypt(nonce: bytes, plaintext: bytes, associated: bytes) -> bytes:
            _check_nonce(nonce)
            calls.sealed += 1
            encryptor = Cipher(algorithm, modes.GCM(nonce)).encryptor()
            encryptor.authenticate_additional_data(associated)
            ciphertext = encryptor.update(plaintext) + encryptor.finalize()
            return ciphertext + encryptor.tag

        return encrypt

    def decrypting(self, key: bytes) -> Cryptor:
        self._check_key(key)
        algorithm = algorithms.SM4(key)

        def decrypt(nonce: bytes, sealed: bytes, associated: bytes) -> bytes:
            _check_nonce(nonce)
            calls.opened += 1
            if len(sealed) < TAG_SIZE:
                raise CannotOpen
            decryptor = Cipher(algorithm, modes.GCM(nonce)).decryptor()
            decryptor.authenticate_additional_data(associated)
            # These bytes are not to be believed until the tag is checked; nothing leaves this function before.
            unverified = decryptor.update(sealed[:-TAG_SIZE])
            try:
                rest = decryptor.finalize_with_tag(sealed[-TAG_SIZE:])
            except InvalidTag:
                raise CannotOpen from None
            return unverified + rest

        return decrypt

    def wrap(self, key: bytes, secret: bytes, associated: bytes) -> bytes:
        calls.wrapped += 1
        calls.sealed -= 1  # counted as a wrap, not as a value
        nonce = os.urandom(NONCE_SIZE)
        return nonce + self.encrypt(key, nonce, secret, associated)

    def unwrap(self, key: bytes, wrapped: bytes, associated: bytes) -> bytes:
        if len(wrapped) < NONCE_SIZE + TAG_SIZE:
            raise CannotOpen
        calls.unwrapped += 1
        calls.opened -= 1
        return self.decrypt(key, wrapped[:NONCE_SIZE], wrapped[NONCE_SIZE:], associated)


AES: Final[Suite] = AesSuite()
SM4: Final[Suite] = Sm4Suite()
_BY_ID: Final = {suite.id: suite for suite in (AES, SM4)}
_BY_NAME: Final = {suite.name: suite for suite in (AES, SM4)}


def suite_named(name: str) -> Suite:
    """Return the suite of that name; `UnknownSuite` otherwise."""
    try:
        return _BY_NAME[name]
    except KeyError:
        raise UnknownSuite(suite=name[:40]) from None


def suite_by_id(number: int) -> Suite:
    """Return the suite of that number; `UnknownSuite` otherwise."""
    try:
        return _BY_ID[number]
    except KeyError:
        raise UnknownSuite(suite=number) from None
