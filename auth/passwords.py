"""Secrets people choose: Argon2id, judged by length and commonness, never by composition.

* Argon2id with 64 MiB, 3 passes, 4 lanes: the second recommended option of RFC 9106, section 4. A semaphore bounds how many run at once,
  because each holds its 64 MiB; another bounds the queue before it. Who waits too long or finds it full gets SignInBusy, uncounted.
* A secret is normalised by NFKC before it is measured and hashed, as SASLprep (RFC 4013) and NIST SP 800-63B-4 3.1.1.2 have it and RFC 8265
  does not: on Chinese keyboards the full-width forms of letters and digits come from a switch of the input method, unseen behind the dots.
* At least 12 characters, at most 1024 bytes. No rule asks for digits or signs (NIST SP 800-63B-4 3.1.1.2; ASVS 5 V6.2.5).
* `verify(None, ...)` hashes against a dummy of the same cost, so that an account that does not exist answers as slowly as one that does.
"""

from __future__ import annotations

import re
import secrets
import threading
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from auth.common_passwords import is_common
from auth.errors import SecretRefused, SignInBusy
from auth.policy import AuthPolicy
from foundation.errors import Fault

MOST_BYTES = 1024
MEMORY_KIB = 64 * 1024
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # without i, l, o, 0, 1: a first secret is read from paper

_FAULTS = {
    "too-short": ("口令至少 {least} 个字符。", "The secret has at least {least} characters."),
    "too-long": ("口令至多 1024 字节。", "The secret has at most 1024 bytes."),
    "control-character": ("口令不能含控制字符或不成对的代理码位。", "The secret may not hold control characters or lone surrogates."),
    "common": (
        "口令过于常见，或主要由常见词、键盘顺序、日期、重复字符、证件号或手机号组成。",
        "The secret is common, or made mostly of common words, keyboard walks, dates, repeats, an ID or mobile number.",
    ),
    "contains-context": (
        "口令不能包含登录名、姓名、机构或系统的名称。",
        "The secret may not contain the login, the name, or the name of the unit or the system.",
    ),
    "used-before": ("不能使用最近 {count} 次用过的口令。", "The last {count} secrets cannot be used again."),
}


class Passwords:
    """Hashes and checks secrets with bounded concurrency. `computed` counts hash computations, for tests of uniform work."""

    def __init__(
        self, *, concurrency: int = 4, places: int | None = None, wait_seconds: float = 10.0, memory_kib: int = MEMORY_KIB, passes: int = 3
    ) -> None:
        """At most `concurrency` computations of `memory_kib` KiB each at once, and `places` proofs under way (none: nine times as many).

        RFC 9106 parameters by default.
        """
        self._places = threading.BoundedSemaphore(9 * concurrency if places is None else max(places, concurrency))
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=4, hash_len=32, salt_len=16)
        self._slots = threading.BoundedSemaphore(concurrency)
        self._wait_seconds = wait_seconds
        self._count_lock = threading.Lock()
        self.computed = 0
        self._dummy = self._hasher.hash(secrets.token_urlsafe(32))

    def hash(self, secret: str) -> str:
        """Return the encoded Argon2id hash of the normalised secret; SignInBusy when no slot frees in time."""
        with self._slot():
            return self._hasher.hash(normalise(secret))

    def verify(self, secret_hash: str | None, secret: str) -> bool:
        """Tell whether the secret is right; exactly one computation, also for None and for a secret of impossible length."""
        possible = is_possible(secret)
        with self._slot():
            try:
                self._hasher.verify(secret_hash or self._dummy, normalise(secret) if possible else "")
            except (VerificationError, InvalidHashError):
                return False
        return possible and secret_hash is not None

    def is_outdated(self, secret_hash: str) -> bool:
        """Tell whether a stored hash has other parameters than new ones get; it is renewed at the next right sign-in."""
        return self._hasher.check_needs_rehash(secret_hash)

    def judge(self, secret: str, policy: AuthPolicy, *, context: Iterable[str] = (), earlier: Iterable[str] = ()) -> None:
        """Refuse a new secret that breaks rules: SecretRefused with every fault. `context`: names it may not contain; `earlier`: hashes."""
        rules = list(_broken_rules(secret, policy, context))
        if not rules:
            rules = ["used-before"] if any(self.verify(old, secret) for old in earlier) else []
        if rules:
            raise SecretRefused([_fault(rule, least=policy.password_min_length, count=policy.password_history) for rule in rules])

    @contextmanager
    def place(self) -> Iterator[None]:
        """Around a whole proof of a secret that came over the network; SignInBusy at once when all places are taken.

        Who waits for a computation holds one of the threads that reads need too, so the queue is short and whoever finds it full is told.
        """
        if not self._places.acquire(blocking=False):
            raise SignInBusy
        try:
            yield
        finally:
            self._places.release()

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._slots.acquire(timeout=self._wait_seconds):
            raise SignInBusy
        try:
            with self._count_lock:
                self.computed += 1
            yield
        finally:
            self._slots.release()


def normalise(secret: str) -> str:
    """NFKC, see the module's docstring."""
    return unicodedata.normalize("NFKC", secret)


def is_possible(secret: str) -> bool:
    """Tell whether a text can be a secret at all: 1 to 1024 bytes of UTF-8 before and after NFKC, no lone surrogates."""
    try:
        return 0 < len(secret.encode()) <= MOST_BYTES and len(normalise(secret).encode()) <= MOST_BYTES
    except UnicodeEncodeError:
        return False


def first_secret() -> str:
    """Make a random first secret, five groups of four (99 bits), to be handed over on paper and changed at the first sign-in."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(5))


def _stands_in(word: str, folded: str) -> bool:
    if not word.isascii():
        return len(word) >= 2 and word in folded
    if len(word) >= 5:
        return word in folded
    # A unit's code of three or four letters turns up in random secrets by chance; what counts is that it stands there as a word.
    return len(word) >= 3 and re.search(rf"(?<![a-z0-9]){re.escape(word)}(?![a-z0-9])", folded) is not None


def _broken_rules(secret: str, policy: AuthPolicy, context: Iterable[str]) -> Iterator[str]:
    if any(unicodedata.category(character) in ("Cc", "Cs", "Cn") for character in secret):
        yield "control-character"
        return
    if secret and not is_possible(secret):
        yield "too-long"
        return
    text = normalise(secret)
    if len(text) < policy.password_min_length:
        yield "too-short"
        return
    if is_common(text):
        yield "common"
    folded = text.casefold()
    words = (normalise(word).casefold().strip() for word in (*context, *policy.site_words))
    if any(_stands_in(word, folded) for word in words):
        yield "contains-context"


def _fault(rule: str, **params: int) -> Fault:
    zh, en = _FAULTS[rule]
    return Fault("new_secret", rule, zh.format(**params), en.format(**params))
