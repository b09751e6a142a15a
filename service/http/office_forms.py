"""What the office's operations take and give."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from acts.reasons import REASON_LENGTH
from service.http.answers import Answer
from service.http.strict import Form, Instant


class UnitForm(Form):
    """A unit to found, and the one it stands under: a fonds has one root, the unit it was founded with."""

    code: str = Field(max_length=200)
    title: str = Field(max_length=400)
    parent_id: str | None = Field(default=None, max_length=64)


class UnitNameForm(Form):
    """A unit's new title."""

    title: str = Field(max_length=400)
    reason: str | None = Field(default=None, max_length=REASON_LENGTH)


class UnitPlaceForm(Form):
    """The unit to stand under."""

    parent_id: str | None = Field(default=None, max_length=64)
    reason: str | None = Field(default=None, max_length=REASON_LENGTH)


class UnitEndForm(Form):
    """Who takes the duties over, where somebody does."""

    successor_id: str | None = Field(default=None, max_length=64)
    reason: str | None = Field(default=None, max_length=REASON_LENGTH)


class PostForm(Form):
    """A post to create."""

    unit_id: str = Field(max_length=64)
    role: str = Field(max_length=60, examples=["handler"])
    title: str = Field(max_length=400)


class PersonForm(Form):
    """A member of staff to register."""

    staff_no: str = Field(max_length=200)
    display_name: str = Field(max_length=400)


class AccountForm(Form):
    """The one account of a person."""

    person_id: str = Field(max_length=64)
    login: str = Field(max_length=200)


class HoldingForm(Form):
    """Who takes a post up, from when (now) to when (open)."""

    person_id: str = Field(max_length=64)
    begins: Instant | None = None
    ends: Instant | None = None
    acting: bool = False
    reason: str | None = Field(default=None, max_length=REASON_LENGTH)


class ReasonForm(Form):
    """Why, sealed beside the log."""

    reason: str | None = Field(default=None, max_length=REASON_LENGTH)


class ClientForm(Form):
    """A case system with its public key (P-256 JWK)."""

    source_system: str = Field(max_length=200)
    title: str = Field(max_length=400)
    public_jwk: dict[str, Any]


class MadeAnswer(Answer):
    """The id of what was made."""

    id: str


class FirstSecretAnswer(Answer):
    """A first secret, told once: it is stored nowhere and must be changed at the first sign-in."""

    account_id: str
    login: str
    first_secret: str


class ClientMade(Answer):
    """A registered case system: `name` is what it calls itself in its assertions; `blocked` until it is confirmed, else `active`."""

    client_id: str
    name: str
    kid: str
    state: str


class FormerRow(Answer):
    """What a unit was called and where it stood, until when."""

    title: str
    parent_id: str | None = None
    begins: str
    ends: str


class UnitRow(Answer):
    """A unit, and its names and places before."""

    unit_id: str
    code: str
    title: str
    parent_id: str | None = None
    founded: str
    ended: str | None = None
    successor_id: str | None = None
    former: list[FormerRow]


class HolderRow(Answer):
    """Who holds a post, now or later."""

    holding_id: str
    person_id: str
    person_name: str
    begins: str
    ends: str | None = None
    acting: bool


class PostRow(Answer):
    """A post."""

    post_id: str
    unit_id: str
    role: str
    title: str
    created: str
    ended: str | None = None
    holders: list[HolderRow]


class PersonRow(Answer):
    """A member of staff."""

    person_id: str
    staff_no: str
    display_name: str
    registered: str
    left: str | None = None


class AccountRow(Answer):
    """An account."""

    account_id: str
    login: str
    person_id: str
    state: str
    must_change: bool
    second_factor: bool
    created: str


class ClientRow(Answer):
    """A case system: `active`, `blocked` until it is confirmed, or `closed`."""

    client_id: str
    name: str
    source_system: str
    title: str
    kid: str
    state: str
    registered: str
    revoked: str | None = None


class OthersSession(Answer):
    """A live session of somebody's."""

    session_id: str
    account_id: str
    created: str
    last_seen: str
    expires: str
    assurance: int
    client: str


class Units(Answer):
    """Units by id."""

    units: list[UnitRow]


class Posts(Answer):
    """Posts by id."""

    posts: list[PostRow]


class People(Answer):
    """Members of staff by id."""

    people: list[PersonRow]


class Accounts(Answer):
    """Accounts by id."""

    accounts: list[AccountRow]


class Clients(Answer):
    """Case systems by id."""

    clients: list[ClientRow]


class OthersSessions(Answer):
    """Sessions, newest first."""

    sessions: list[OthersSession]
