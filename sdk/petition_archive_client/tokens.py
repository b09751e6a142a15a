"""The access token at hand: kept until shortly before it ends, so that no request sets out with one that ends on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

RENEW_BEFORE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Token:
    """An access token as it was issued, with its seconds to live."""

    text: str = field(repr=False)
    seconds: float


class Tokens:
    """One client's current token. The owner of this object sees to it that only one caller at a time fetches a new one."""

    def __init__(self, elapsed: Callable[[], float]) -> None:
        """`elapsed`: a clock in seconds that never jumps."""
        self._elapsed = elapsed
        self._text: str | None = None
        self._renew_at = 0.0

    def current(self, *, refused: str | None = None) -> str | None:
        """The token to use, or None when one has to be fetched: none yet, about to end, or the very one that was `refused`."""
        if self._text is None or self._text == refused or self._elapsed() >= self._renew_at:
            return None
        return self._text

    def keep(self, token: Token, asked_at: float) -> str:
        """Keep a token that was asked for at `asked_at` on the clock. A fifth of a short life is left unused, a minute of a long one."""
        self._text = token.text
        self._renew_at = asked_at + token.seconds - min(RENEW_BEFORE_SECONDS, token.seconds / 5)
        return token.text
