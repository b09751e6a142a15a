"""Acting on this machine as a person of the office: signed in like anywhere else, with the same secrets, the same lock and the same log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from acts.desk import Caller
from auth.sessions import principal_of, sign_out
from auth.signin import Attempt, sign_in
from foundation.ids import new_id
from service.cli.asking import Answers, sign_in_answers
from service.house import House
from service.wiring import Settings, open_archive


@contextmanager
def acting(settings: Settings, answers: Answers, *, fonds: str, login: str, role: str) -> Iterator[tuple[House, Caller]]:
    """The archive, opened to act, and its caller: asks for secret and one-time code, and signs out at the end.

    Errors as `service.wiring.open_archive` and `auth.signin.sign_in`; SecretMustChange, FactorMissing, RoleNotHeld.
    """
    house = open_archive(settings, purpose="act")
    try:
        secret, code = sign_in_answers(answers, login)
        attempt = Attempt(client="cli", address="127.0.0.1", request_id=new_id())
        session = sign_in(house.auth, fonds=fonds, login=login, secret=secret, code=code, attempt=attempt).session
        try:
            yield house, Caller(principal_of(session, role), new_id())
        finally:
            sign_out(house.auth, session, request_id=new_id())
    finally:
        house.close()
