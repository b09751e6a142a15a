"""Acting on this machine as a person of the office: signed in like anywhere else, with the same secrets, the same lock and the same log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from acts.desk import Caller
from auth.sessions import principal_of, sign_out
from auth.signin import Attempt, sign_in
from foundation.ids import new_id
from service.house import House
from service.wiring import Settings, open_archive


@contextmanager
def acting(settings: Settings, *, fonds: str, login: str, role: str) -> Iterator[tuple[House, Caller]]:
    """The archive, opened to act, and its caller: asks for secret and one-time code, and signs out at the end.

    Errors as `service.wiring.open_archive` and `auth.signin.sign_in`; SecretMustChange, FactorMissing, RoleNotHeld.
    """
    house = open_archive(settings, purpose="act")
    try:
        secret = typer.prompt(f"口令 secret ({login})", hide_input=True, err=True)
        code = typer.prompt("动态验证码 one-time code (无则回车 none: Enter)", default="", show_default=False, err=True)
        attempt = Attempt(client="cli", address="127.0.0.1", request_id=new_id())
        session = sign_in(house.auth, fonds=fonds, login=login, secret=secret, code=code or None, attempt=attempt).session
        try:
            yield house, Caller(principal_of(session, role), new_id())
        finally:
            sign_out(house.auth, session, request_id=new_id())
    finally:
        house.close()
