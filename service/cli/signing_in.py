"""Acting on this machine as a person of the office: signed in like anywhere else, with the same secrets, the same lock and the same log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from acts.desk import Caller
from auth.errors import RoleNotHeld
from auth.principal import Principal
from auth.sessions import Session, principal_of, sign_out
from auth.signin import Attempt, sign_in
from foundation.ids import new_id
from service.cli.asking import Answers, sign_in_answers
from service.cli.terminal import CommandFailed
from service.house import House
from service.wiring import Settings, open_archive


@contextmanager
def acting(settings: Settings, answers: Answers, *, fonds: str, login: str, role: str) -> Iterator[tuple[House, Caller]]:
    """The archive, opened to act, and its caller: asks for secret and one-time code, and signs out at the end.

    Errors as `service.wiring.open_archive` and `auth.signin.sign_in`; SecretMustChange, FactorMissing; CommandFailed naming the role that
    is needed and not held.
    """
    house = open_archive(settings, purpose="act")
    try:
        secret, code = sign_in_answers(answers, login)
        attempt = Attempt(client="cli", address="127.0.0.1", request_id=new_id())
        session = sign_in(house.auth, fonds=fonds, login=login, secret=secret, code=code, attempt=attempt).session
        try:
            yield house, Caller(_acting_in(house, session, role), new_id())
        finally:
            sign_out(house.auth, session, request_id=new_id())
    finally:
        house.close()


def _acting_in(house: House, session: Session, role: str) -> Principal:
    try:
        return principal_of(session, role)
    except RoleNotHeld as missing:
        zh = house.desk.rulebook(session.fonds).roles.by_code[role].zh
        raise CommandFailed(
            f"此操作须由{zh}（{role}）登录，所登录的人员目前没有担任此岗位。",
            f"This takes a person in the role {role}, which whoever signed in does not hold at present. ({missing.code})",
        ) from None
