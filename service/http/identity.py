"""Who asks: a bearer token becomes one session row, and that a principal, at every request anew.

Only a bearer token opens `/v1`: a browser sends it for nobody unasked, so no other site can act in a colleague's name here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Final

from anyio.to_thread import run_sync
from fastapi import Header, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from acts.desk import Caller, Desk
from auth.errors import NotSignedIn, RoleNotHeld
from auth.sessions import Session, of_bearer, principal_of, touch
from policies.roles import ROLES
from service.house import House

# Bodies up to this size are read before their bearer is looked at, with the act itself: no more than the server takes in of any connection.
_AT_ONCE: Final = 16 * 1024
bearer = HTTPBearer(
    scheme_name="bearer",
    bearerFormat="JWT",
    auto_error=False,
    description="访问令牌，由 POST /v1/sessions（人员）或 POST /v1/token（业务系统）取得。"
    " Access token of POST /v1/sessions (people) or POST /v1/token (case systems).",
)
RoleHeader = Annotated[
    str | None,
    Header(
        alias="Archive-Role",
        max_length=40,
        description="担任多个岗位时，以哪一角色行事；不写则为任职最久者。 The role to act in; by default that of the post held longest.",
        examples=["handler"],
    ),
]


def house_of(request: Request) -> House:
    """The archive behind this door."""
    house: House = request.app.state.house
    return house


def request_id_of(request: Request) -> str:
    """The id this request was given."""
    return str(request.state.request_id)


@dataclass(frozen=True, slots=True)
class Asking:
    """A credential as it was shown; nothing of it is checked until `session` or `caller` is called, in the act's own thread."""

    house: House
    request_id: str
    client: str
    address: str
    token: str
    role: str | None

    @property
    def desk(self) -> Desk:
        """The desk acts work at."""
        return self.house.desk

    def session(self) -> Session:
        """The live session, whatever it still has to do; NotSignedIn."""
        with self.house.desk.db.read() as conn:
            session = of_bearer(self.house.auth, conn, self.token)
        touch(self.house.auth, session)
        return replace(session, client=self.client)

    def caller(self) -> Caller:
        """The principal in the role asked for; SecretMustChange, FactorMissing, RoleNotHeld while there is none."""
        session = self.session()
        if self.role is not None and self.role not in ROLES:
            raise RoleNotHeld("Archive-Role")
        return Caller(principal_of(session, self.role), self.request_id)


async def asking(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)], archive_role: RoleHeader = None
) -> Asking:
    """The dependency of every operation that knows its caller. It comes first in their signatures: nobody's bodies are not even read.

    The act checks the session itself, in its own thread; before a body of some size is read it is checked here too.
    """
    if credentials is None or credentials.scheme.lower() != "bearer":
        raise NotSignedIn
    state = request.state
    who = Asking(
        house=house_of(request),
        request_id=state.request_id,
        client=state.client,
        address=state.address,
        token=credentials.credentials,
        role=archive_role,
    )
    if _brings_much(request):
        await run_sync(who.session)
    return who


def _brings_much(request: Request) -> bool:
    length = request.headers.get("content-length", "")
    return "transfer-encoding" in request.headers or (length.isdigit() and int(length[:20]) > _AT_ONCE)


Who = Annotated[Asking, Security(asking)]
