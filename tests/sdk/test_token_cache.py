from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from petition_archive_client.tokens import Token, Tokens


class Elapsed:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@given(st.integers(min_value=1, max_value=10**6), st.floats(min_value=0, max_value=1), st.integers(min_value=-10, max_value=130))
def test_a_token_is_used_until_a_fifth_of_its_life_or_a_minute_is_left(life: int, fetching: float, left: int) -> None:
    elapsed = Elapsed()
    tokens = Tokens(elapsed)
    asked_at = elapsed.now
    elapsed.now += fetching * life  # the answer may have taken its time: the token's life began before it arrived
    tokens.keep(Token("t", life), asked_at)
    elapsed.now = asked_at + life - left
    assert tokens.current() == (None if left <= min(60, life / 5) else "t")


def test_a_refused_token_is_not_given_again_but_its_successor_is() -> None:
    elapsed = Elapsed()
    tokens = Tokens(elapsed)
    assert tokens.current() is None
    tokens.keep(Token("first", 600), elapsed.now)
    assert tokens.current(refused="first") is None
    tokens.keep(Token("second", 600), elapsed.now)
    # A slower thread that comes back with the first token's refusal must not throw the second away.
    assert tokens.current(refused="first") == "second"


def test_a_token_shows_nothing_of_itself() -> None:
    assert "secret" not in repr(Token("secret", 60))
