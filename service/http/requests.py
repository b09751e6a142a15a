"""信息查询审批表: filing, reading, withdrawing and deciding access requests."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.responses import Response

from archive.requests import approvals, filing, grants
from archive.requests.grants import RequestView
from foundation.clock import iso
from foundation.errors import Fault, InvalidInput
from policies.facts import Asked
from policies.level import Level, level_of
from service.http.answers import Answer, Id, known_id, problems, reply
from service.http.identity import Who
from service.http.preconditions import IdempotencyKey, ReadVersion, etag
from service.http.strict import Form, Instant, body_of

router = APIRouter(prefix="/v1/access-requests", tags=["查询审批 Access requests"])
LevelWord = Literal["masked", "clear"]
# Bounds of what is read at all; what may be asked for, the rulebook says.
_MOST_CASES, _MOST_FIELDS = 1000, 300


class AccessForm(Form):
    """What is asked for: which cases, which fields, how, for what, for how long."""

    cases: list[str] = Field(min_length=1, max_length=_MOST_CASES)
    fields: list[str] = Field(min_length=1, max_length=_MOST_FIELDS, examples=[["petitioners[].name"]])
    level: LevelWord = "clear"
    purpose: str = Field(max_length=60, examples=["review"])
    reason: str = Field(max_length=4000)
    usage: str = Field(max_length=60, examples=["read-only"])
    # Described here and judged by the rulebook, so that it is told together with what else is wrong with the form.
    max_uses: int = Field(json_schema_extra={"minimum": 1, "maximum": 10_000})
    not_before: Instant | None = None
    expires_at: Instant


class TrimForm(Form):
    """What an approver leaves of it; nothing here can add."""

    cases: list[str] | None = Field(default=None, max_length=_MOST_CASES)
    fields: list[str] | None = Field(default=None, max_length=_MOST_FIELDS)
    level: LevelWord | None = None
    max_uses: int | None = Field(default=None, ge=1, le=10_000)
    expires_at: Instant | None = None


class DecisionForm(Form):
    """A decision on the version that was read."""

    verdict: Literal["approve", "refuse"]
    reason: str = Field(default="", max_length=4000)
    trim: TrimForm | None = None


class FiledAnswer(Answer):
    """A filed request."""

    request_id: str
    version: int
    entry_id: str
    log_index: int


class CaseVersion(Answer):
    """A version of a case."""

    case_id: str
    version: int


class AskedAnswer(Answer):
    """What is asked, left or granted: every field of `fields` on every case of `cases`, where both were left together."""

    cases: list[CaseVersion]
    fields: list[str]
    level: str
    max_uses: int
    not_before: str
    expires_at: str


class DecisionAnswer(Answer):
    """One approver's act."""

    stage: int
    person_id: str
    verdict: str
    decided_at: str
    comment: str | None = None


class CaseRelation(Answer):
    """How the applicant stood to one case of the form when filing it."""

    case_id: str
    relation: str


class RequestAnswer(Answer):
    """A request as it stands now. `decidable`: the caller may decide it now. Lists leave `reason`, `usage` and `relations` out."""

    request_id: str
    version: int
    status: str
    stage: int
    chain: str
    applicant_id: str | None = None
    applicant_role: str
    relations: list[CaseRelation] | None = None
    purpose: str
    usage: str | None = None
    reason: str | None = None
    asked: AskedAnswer
    current: AskedAnswer
    decisions: list[DecisionAnswer]
    filed_at: str
    lapses_at: str
    decidable: bool


class RequestsAnswer(Answer):
    """Requests, newest first."""

    requests: list[RequestAnswer]


class WithdrawnAnswer(Answer):
    """The version after the withdrawal."""

    request_id: str
    version: int
    status: Literal["withdrawn"] = "withdrawn"


class DecidedAnswer(Answer):
    """Where the request stands after a decision; `grant_id` when it was the last one."""

    request_id: str
    version: int
    status: str
    stage: int
    grant_id: str | None = None
    log_index: int


@router.post("", status_code=201, summary="提交审批表 File a request", response_model=FiledAnswer, responses=problems(404, 409, 413, 415))
def file(who: Who, form: Annotated[AccessForm, Depends(body_of(AccessForm))], key: IdempotencyKey) -> Response:
    """File a form. 404 where it names a case that is not the applicant's to know of; 409 with `stages` where nobody could approve it."""
    caller = who.caller()
    filed = filing.file(
        who.desk,
        caller,
        filing.Form(
            cases=tuple(known_id(case_id) for case_id in form.cases),
            fields=tuple(form.fields),
            level=_level(form.level),
            purpose=form.purpose,
            reason=form.reason,
            usage=form.usage,
            max_uses=form.max_uses,
            not_before=form.not_before,
            expires_at=form.expires_at,
        ),
        idempotency_key=key,
    )
    answer = FiledAnswer(request_id=filed.request_id, version=filed.version, entry_id=filed.entry_id, log_index=filed.log_index)
    return reply(answer, 201, ETag=etag(filed.version), Location=f"/v1/access-requests/{filed.request_id}")


@router.get(
    "",
    summary="审批表列表：我的，或待我审批（?box=to-decide） List requests: mine, or for me to decide (?box=to-decide)",
    response_model=RequestsAnswer,
    responses=problems(),
)
def several(
    who: Who,
    box: Annotated[
        Literal["mine", "to-decide"],
        Query(description="`mine` 我提交的（不写即此）；`to-decide` 待我审批的 Filed by me (the default), or for me to decide"),
    ] = "mine",
) -> Response:
    """不写参数只列本人提交的；审批人用 `?box=to-decide` 看待自己审批的。 One's own requests; an approver finds those that wait for
    a decision with `?box=to-decide`.
    """
    caller = who.caller()
    found = grants.requests_of(who.desk, caller, to_decide=box == "to-decide")
    return reply(RequestsAnswer(requests=[_request(view) for view in found]))


@router.get("/{request_id}", summary="看审批表 See a request", response_model=RequestAnswer, responses=problems(404))
def one(request_id: Id, who: Who) -> Response:
    """One request with its reason, for its applicant and for those who may decide or have decided it. Its ETag is what decisions name."""
    caller = who.caller()
    view = grants.read_request(who.desk, caller, known_id(request_id))
    return reply(_request(view), ETag=etag(view.request.state.version))


@router.post(
    "/{request_id}/withdrawal",
    summary="撤回 Withdraw a request",
    response_model=WithdrawnAnswer,
    responses=problems(400, 404, 409, 412, 428),
)
def withdraw(who: Who, request_id: Id, version: ReadVersion, key: IdempotencyKey) -> Response:
    """The applicant takes a pending request back."""
    caller = who.caller()
    after = filing.withdraw(who.desk, caller, known_id(request_id), version, idempotency_key=key)
    return reply(WithdrawnAnswer(request_id=request_id, version=after), ETag=etag(after))


@router.post(
    "/{request_id}/decisions",
    summary="审批 Decide a request",
    response_model=DecidedAnswer,
    responses=problems(400, 404, 409, 412, 413, 415, 428),
)
def decide(
    who: Who,
    request_id: Id,
    form: Annotated[DecisionForm, Depends(body_of(DecisionForm))],
    version: ReadVersion,
    key: IdempotencyKey,
) -> Response:
    """Approve, perhaps less than was asked, or refuse with a reason. Two decisions at once: one wins, the other gets 409 or 412."""
    caller = who.caller()
    if form.trim is not None and form.verdict == "refuse":
        raise InvalidInput([Fault("trim", "not-with-refusal", "不同意时不能取舍。", "A refusal leaves nothing to trim.")])
    trim = form.trim
    done = approvals.decide_request(
        who.desk,
        caller,
        known_id(request_id),
        verdict=form.verdict,
        reason=form.reason,
        if_match=version,
        trim=None
        if trim is None
        else approvals.Trim(
            cases=None if trim.cases is None else tuple(trim.cases),
            fields=None if trim.fields is None else tuple(trim.fields),
            level=None if trim.level is None else _level(trim.level),
            max_uses=trim.max_uses,
            expires_at=trim.expires_at,
        ),
        idempotency_key=key,
    )
    answer = DecidedAnswer(
        request_id=done.request_id,
        version=done.version,
        status=done.status,
        stage=done.stage,
        grant_id=done.grant_id,
        log_index=done.log_index,
    )
    return reply(answer, ETag=etag(done.version))


def asked_answer(asked: Asked) -> AskedAnswer:
    """What is asked, left or granted, in the form of answers."""
    return AskedAnswer(
        cases=[CaseVersion(case_id=case_id, version=version) for case_id, version in sorted(asked.cases)],
        fields=sorted({target.path for target in asked.targets}),
        level=asked.level.word,
        max_uses=asked.max_uses,
        not_before=iso(asked.not_before),
        expires_at=iso(asked.expires_at),
    )


def _request(view: RequestView) -> RequestAnswer:
    facts = view.request
    comments = view.comments or ("",) * len(facts.state.decisions)
    return RequestAnswer(
        request_id=facts.request_id,
        version=facts.state.version,
        status=view.status,
        stage=facts.state.stage,
        chain=facts.chain,
        applicant_id=facts.applicant_id,
        applicant_role=facts.applicant_role,
        relations=[CaseRelation(case_id=case_id, relation=name) for case_id, name in sorted(view.relations.items())] or None,
        purpose=facts.purpose,
        usage=view.usage or None,
        reason=view.reason or None,
        asked=asked_answer(facts.asked),
        current=asked_answer(facts.state.current),
        decisions=[
            DecisionAnswer(stage=one.stage, person_id=one.person_id, verdict=one.verdict, decided_at=iso(one.at), comment=comment or None)
            for one, comment in zip(facts.state.decisions, comments, strict=True)
        ],
        filed_at=iso(facts.filed_at),
        lapses_at=iso(facts.state.lapses_at),
        decidable=view.decidable,
    )


def _level(word: str) -> Level:
    level = level_of(word)
    if level is None:
        raise ValueError("a level the form cannot have")
    return level
