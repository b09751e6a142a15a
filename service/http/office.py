"""The office: units, posts and who holds them, people, accounts, case systems - for the administrators (三员)."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from acts.desk import Caller
from foundation.clock import iso
from office import accounts, clients, people, posts, reading, sessions, units
from office.accounts import FirstSecret
from office.staff_desk import StaffDesk
from service.http.answers import Answer, Id, known_id, problems, reply
from service.http.identity import Asking, Who
from service.http.office_forms import (
    AccountForm,
    AccountRow,
    Accounts,
    ClientForm,
    ClientMade,
    ClientRow,
    Clients,
    FirstSecretAnswer,
    HoldingForm,
    MadeAnswer,
    OthersSession,
    OthersSessions,
    People,
    PersonForm,
    PersonRow,
    PostForm,
    PostRow,
    Posts,
    ReasonForm,
    UnitEndForm,
    UnitForm,
    UnitNameForm,
    UnitPlaceForm,
    UnitRow,
    Units,
)
from service.http.strict import body_of

router = APIRouter(prefix="/v1", tags=["机构与人员 The office"])
A = TypeVar("A", bound=Answer)
After = Annotated[
    str | None, Query(max_length=36, pattern="^[0-9a-f-]{36}$", description="上一页最后的编号 The last id of the page before")
]
_PAGED: dict[int | str, dict[str, Any]] = {
    200: {"headers": {"Link": {"description": "下一页 The next page (RFC 8288)", "schema": {"type": "string"}}}},
    **problems(),
}
Limit = Annotated[int, Query(ge=1, le=reading.MOST)]


@router.post("/units", status_code=201, summary="设立机构 Create a unit", response_model=MadeAnswer, responses=problems(404, 409, 413, 415))
def create_unit(who: Who, form: Annotated[UnitForm, Depends(body_of(UnitForm))]) -> Response:
    """Found a unit under a live one."""
    staff, caller = _staff(who)
    parent = known_id(form.parent_id) if form.parent_id is not None else None
    return _made(units.create_unit(staff, caller, code=form.code, title=form.title, parent_id=parent))


@router.get("/units", summary="机构 Units", response_model=Units, responses=_PAGED)
def list_units(who: Who, after: After = None, limit: Limit = reading.MOST) -> Response:
    """Units, ended ones too; the look is on record."""
    staff, caller = _staff(who)
    rows = [_row(UnitRow, one) for one in reading.list_units(staff, caller, after=after, limit=limit)]
    return _page(Units(units=rows), [row.unit_id for row in rows], limit)


@router.post("/units/{unit_id}/rename", status_code=204, summary="机构更名 Rename a unit", responses=problems(404, 409, 413, 415))
def rename_unit(who: Who, unit_id: Id, form: Annotated[UnitNameForm, Depends(body_of(UnitNameForm))]) -> Response:
    """Give a unit a new title; entries and holdings keep the one they were made under."""
    staff, caller = _staff(who)
    units.rename(staff, caller, known_id(unit_id), title=form.title, reason=form.reason)
    return Response(status_code=204)


@router.post("/units/{unit_id}/move", status_code=204, summary="调整机构隶属 Move a unit", responses=problems(404, 409, 413, 415))
def move_unit(who: Who, unit_id: Id, form: Annotated[UnitPlaceForm, Depends(body_of(UnitPlaceForm))]) -> Response:
    """Put a unit under another. It changes who leads whom, and so who sees which cases: the security administrator's act."""
    staff, caller = _staff(who)
    parent = known_id(form.parent_id) if form.parent_id is not None else None
    units.move(staff, caller, known_id(unit_id), parent_id=parent, reason=form.reason)
    return Response(status_code=204)


@router.post("/units/{unit_id}/end", status_code=204, summary="撤销机构 End a unit", responses=problems(404, 409, 413, 415))
def end_unit(who: Who, unit_id: Id, form: Annotated[UnitEndForm, Depends(body_of(UnitEndForm))]) -> Response:
    """End a unit without units or posts under it."""
    staff, caller = _staff(who)
    successor = known_id(form.successor_id) if form.successor_id is not None else None
    units.end(staff, caller, known_id(unit_id), successor_id=successor, reason=form.reason)
    return Response(status_code=204)


@router.post("/posts", status_code=201, summary="设立岗位 Create a post", response_model=MadeAnswer, responses=problems(404, 409, 413, 415))
def create_post(who: Who, form: Annotated[PostForm, Depends(body_of(PostForm))]) -> Response:
    """Create a post; who holds it is the security administrator's act."""
    staff, caller = _staff(who)
    return _made(posts.create_post(staff, caller, unit_id=known_id(form.unit_id), role=form.role, title=form.title))


@router.get("/posts", summary="岗位 Posts", response_model=Posts, responses=_PAGED)
def list_posts(who: Who, after: After = None, limit: Limit = reading.MOST) -> Response:
    """Posts with their present and coming holders; the look is on record."""
    staff, caller = _staff(who)
    rows = [_row(PostRow, one) for one in reading.list_posts(staff, caller, after=after, limit=limit)]
    return _page(Posts(posts=rows), [row.post_id for row in rows], limit)


@router.post("/posts/{post_id}/end", status_code=204, summary="撤销岗位 End a post", responses=problems(404, 409, 413, 415))
def end_post(who: Who, post_id: Id, form: Annotated[ReasonForm, Depends(body_of(ReasonForm))]) -> Response:
    """End a post that nobody holds, now or later."""
    staff, caller = _staff(who)
    posts.end_post(staff, caller, known_id(post_id), reason=form.reason)
    return Response(status_code=204)


@router.post(
    "/posts/{post_id}/holdings",
    status_code=201,
    summary="任岗 Put a person into a post",
    response_model=MadeAnswer,
    responses=problems(404, 409, 413, 415),
)
def hold_post(who: Who, post_id: Id, form: Annotated[HoldingForm, Depends(body_of(HoldingForm))]) -> Response:
    """What grants a role. Nobody appoints themselves; roles that must stay apart are refused (409)."""
    staff, caller = _staff(who)
    holding_id = posts.hold_post(
        staff,
        caller,
        post_id=known_id(post_id),
        person_id=form.person_id,
        begins=form.begins,
        ends=form.ends,
        acting=form.acting,
        reason=form.reason,
    )
    return _made(holding_id)


@router.post("/holdings/{holding_id}/end", status_code=204, summary="离岗 Leave a post", responses=problems(404, 409, 413, 415))
def leave_post(who: Who, holding_id: Id, form: Annotated[ReasonForm, Depends(body_of(ReasonForm))]) -> Response:
    """Take a person out of a post now; the holding stays in the history."""
    staff, caller = _staff(who)
    posts.leave_post(staff, caller, known_id(holding_id), reason=form.reason)
    return Response(status_code=204)


@router.post("/people", status_code=201, summary="登记人员 Register a person", response_model=MadeAnswer, responses=problems(409, 413, 415))
def register_person(who: Who, form: Annotated[PersonForm, Depends(body_of(PersonForm))]) -> Response:
    """Register a member of staff; what they may do hangs on posts."""
    staff, caller = _staff(who)
    return _made(people.register_person(staff, caller, staff_no=form.staff_no, display_name=form.display_name))


@router.post("/people/{person_id}/leave", status_code=204, summary="人员离任 Let a person leave", responses=problems(404, 409, 413, 415))
def let_leave(who: Who, person_id: Id, form: Annotated[ReasonForm, Depends(body_of(ReasonForm))]) -> Response:
    """Note that a person has left; the account is closed for good. Posts are left first."""
    staff, caller = _staff(who)
    people.leave(staff, caller, known_id(person_id), reason=form.reason)
    return Response(status_code=204)


@router.get("/people", summary="人员 People", response_model=People, responses=_PAGED)
def list_people(who: Who, after: After = None, limit: Limit = reading.MOST) -> Response:
    """Members of staff, also those who have left; the look is on record."""
    staff, caller = _staff(who)
    rows = [_row(PersonRow, one) for one in reading.list_people(staff, caller, after=after, limit=limit)]
    return _page(People(people=rows), [row.person_id for row in rows], limit)


@router.post(
    "/accounts",
    status_code=201,
    summary="开设账号 Open an account",
    response_model=FirstSecretAnswer,
    responses=problems(404, 409, 413, 415),
)
def create_account(who: Who, form: Annotated[AccountForm, Depends(body_of(AccountForm))]) -> Response:
    """Open the one account of a person, with a first secret that is told once."""
    staff, caller = _staff(who)
    return _secret(accounts.create_account(staff, caller, person_id=form.person_id, login=form.login), 201)


@router.get("/accounts", summary="账号 Accounts", response_model=Accounts, responses=_PAGED)
def list_accounts(who: Who, after: After = None, limit: Limit = reading.MOST) -> Response:
    """Accounts of people; the look is on record."""
    staff, caller = _staff(who)
    rows = [_row(AccountRow, one) for one in reading.list_accounts(staff, caller, after=after, limit=limit)]
    return _page(Accounts(accounts=rows), [row.account_id for row in rows], limit)


@router.post("/accounts/{account_id}/block", status_code=204, summary="停用账号 Block an account", responses=problems(404, 409, 413, 415))
def block_account(who: Who, account_id: Id, form: Annotated[ReasonForm, Depends(body_of(ReasonForm))]) -> Response:
    """Block an account at once; its sessions end."""
    staff, caller = _staff(who)
    accounts.block_account(staff, caller, known_id(account_id), reason=form.reason)
    return Response(status_code=204)


@router.post(
    "/accounts/{account_id}/unblock", status_code=204, summary="恢复账号 Unblock an account", responses=problems(404, 409, 413, 415)
)
def unblock_account(who: Who, account_id: Id, form: Annotated[ReasonForm, Depends(body_of(ReasonForm))]) -> Response:
    """Let a blocked account be used again."""
    staff, caller = _staff(who)
    accounts.unblock_account(staff, caller, known_id(account_id), reason=form.reason)
    return Response(status_code=204)


@router.post(
    "/accounts/{account_id}/secret-reset",
    summary="重置口令 Reset a secret",
    response_model=FirstSecretAnswer,
    responses=problems(404, 409, 413, 415),
)
def reset_secret(who: Who, account_id: Id, form: Annotated[ReasonForm, Depends(body_of(ReasonForm))]) -> Response:
    """Give an account a new first secret; the old one and every session end."""
    staff, caller = _staff(who)
    return _secret(accounts.reset_secret(staff, caller, known_id(account_id), reason=form.reason), 200)


@router.post(
    "/accounts/{account_id}/factor-reset",
    status_code=204,
    summary="解除动态验证码 Withdraw a factor",
    responses=problems(404, 409, 413, 415),
)
def reset_factor(who: Who, account_id: Id, form: Annotated[ReasonForm, Depends(body_of(ReasonForm))]) -> Response:
    """Withdraw an account's second factor; its sessions end, and a new one must be enrolled."""
    staff, caller = _staff(who)
    accounts.reset_factor(staff, caller, known_id(account_id), reason=form.reason)
    return Response(status_code=204)


@router.get(
    "/accounts/{account_id}/sessions", summary="他人会话 Sessions of others", response_model=OthersSessions, responses=problems(404)
)
def list_sessions(account_id: Id, who: Who) -> Response:
    """The live sessions of an account; the look is on record."""
    staff, caller = _staff(who)
    found = sessions.sessions_of(staff, caller, known_id(account_id))
    return reply(OthersSessions(sessions=[_row(OthersSession, one) for one in found]))


@router.post("/sessions/{session_id}/revocation", status_code=204, summary="强制下线 End a session", responses=problems(404, 413, 415))
def revoke_session(who: Who, session_id: Id, form: Annotated[ReasonForm, Depends(body_of(ReasonForm))]) -> Response:
    """End somebody's session at once: its tokens stop at their next use."""
    staff, caller = _staff(who)
    sessions.revoke_session(staff, caller, known_id(session_id), reason=form.reason)
    return Response(status_code=204)


@router.post(
    "/clients", status_code=201, summary="登记业务系统 Register a client", response_model=ClientMade, responses=problems(409, 413, 415)
)
def register_client(who: Who, form: Annotated[ClientForm, Depends(body_of(ClientForm))]) -> Response:
    """Register a case system: one fonds, one key, and no role but depositor. A later one of a source system waits to be confirmed."""
    staff, caller = _staff(who)
    made = clients.register_client(staff, caller, source_system=form.source_system, title=form.title, public_jwk=form.public_jwk)
    return reply(ClientMade(client_id=made.client_id, name=made.name, kid=made.kid, state=made.state), 201)


@router.get("/clients", summary="业务系统 Clients", response_model=Clients, responses=problems())
def list_clients(who: Who) -> Response:
    """Case systems, revoked ones too; the look is on record."""
    staff, caller = _staff(who)
    return reply(Clients(clients=[_row(ClientRow, one) for one in reading.list_clients(staff, caller)]))


@router.post(
    "/clients/{client_id}/confirmation", status_code=204, summary="确认业务系统 Confirm a client", responses=problems(404, 409, 413, 415)
)
def confirm_client(who: Who, client_id: Id, form: Annotated[ReasonForm, Depends(body_of(ReasonForm))]) -> Response:
    """Let a later client of a source system (a new key) be used: the security administrator's act."""
    staff, caller = _staff(who)
    clients.confirm_client(staff, caller, known_id(client_id), reason=form.reason)
    return Response(status_code=204)


@router.post(
    "/clients/{client_id}/revocation", status_code=204, summary="注销业务系统 Revoke a client", responses=problems(404, 409, 413, 415)
)
def revoke_client(who: Who, client_id: Id, form: Annotated[ReasonForm, Depends(body_of(ReasonForm))]) -> Response:
    """Revoke a case system for good: its tokens end at their next use."""
    staff, caller = _staff(who)
    clients.revoke_client(staff, caller, known_id(client_id), reason=form.reason)
    return Response(status_code=204)


def _staff(who: Asking) -> tuple[StaffDesk, Caller]:
    return who.house.staff, who.caller()


def _page(answer: Answer, ids: list[str], limit: int) -> Response:
    """A page; where it is full, with the address of the next one (RFC 8288), relative to its own so that it holds behind any proxy."""
    return reply(answer, Link=f'<?after={ids[-1]}&limit={limit}>; rel="next"') if len(ids) == limit else reply(answer)


def _made(made: str) -> Response:
    return reply(MadeAnswer(id=made), 201)


def _secret(made: FirstSecret, status: int) -> Response:
    return reply(FirstSecretAnswer(account_id=made.account_id, login=made.login, first_secret=made.secret), status)


def _row(model: type[A], view: object) -> A:
    """A view of `office` as its row: the same names, instants written out."""
    return model.model_validate({name: _plain(getattr(view, name)) for name in model.model_fields})


def _plain(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return iso(value)
    if isinstance(value, tuple):
        return [{name: _plain(getattr(one, name)) for name in one.__slots__} for one in value]
    return value
