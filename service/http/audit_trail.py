"""Questions to the trail."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path
from pydantic import Field
from starlette.responses import Response

from audit.kinds import KINDS
from audit.trail import Question
from foundation.errors import Fault, InvalidInput
from reviews import questions, sightings, timelines
from reviews.questions import Shown
from service.http.answers import Answer, problems, reply
from service.http.identity import Who
from service.http.strict import Form, Instant, body_of

router = APIRouter(prefix="/v1", tags=["留痕 The trail"])
_MOST_INDEX = 2**53 - 1


class About(Form):
    """Any other thing an entry may concern."""

    kind: str = Field(max_length=40)
    id: str = Field(max_length=120)


class TrailQuestion(Form):
    """What to look for; everything given must hold. `since` is included, `until` is not."""

    account: str | None = Field(default=None, max_length=64)
    person: str | None = Field(default=None, max_length=64)
    unit: str | None = Field(default=None, max_length=120)
    case: str | None = Field(default=None, max_length=64)
    grant: str | None = Field(default=None, max_length=64)
    about: About | None = None
    kinds: list[str] = Field(default_factory=list, max_length=60, examples=[["access.intent", "access.outcome"]])
    purpose: str | None = Field(default=None, max_length=60)
    verdict: Literal["permit", "refuse", "fact"] | None = None
    request_id: str | None = Field(default=None, max_length=64)
    since: Instant | None = None
    until: Instant | None = None
    cursor: int | None = Field(default=None, ge=0, le=_MOST_INDEX)
    limit: int = Field(default=50, ge=1, le=200)


class EntryAnswer(Answer):
    """One entry: its place in the log, and its members as the asker may see them."""

    index: int
    entry: dict[str, Any]


class TrailAnswer(Answer):
    """Entries, newest first; `cursor` asks for those before them. `log_index`: where this question itself is on record."""

    entries: list[EntryAnswer]
    cursor: int | None = None
    log_index: int


class Petitioner(Form):
    """An exact search for one person, with its purpose and reason, as `POST /v1/cases:find-identity`."""

    kind: str = Field(max_length=20, examples=["name"])
    value: str = Field(max_length=400)
    purpose: str = Field(max_length=60, examples=["supervision"])
    reason: str = Field(max_length=2000)


class WhoSaw(Form):
    """Whose looks to gather: at one case, or at all cases that name a person. One of the two."""

    case: str | None = Field(default=None, max_length=64)
    petitioner: Petitioner | None = None


class SightingAnswer(Answer):
    """One person's looks in one way. `indices`: the places of the newest twenty entries."""

    person: str | None = None
    account: str | None = None
    way: str
    zh: str
    en: str
    times: int
    first: str
    last: str
    roles: list[str]
    units: list[str]
    cases: list[str]
    purposes: list[str]
    grants: list[str]
    indices: list[int]


class SightingsAnswer(Answer):
    """Who saw the cases, the latest first. Not `complete`: only entries from `from_index` on were looked at."""

    cases: list[str]
    sightings: list[SightingAnswer]
    complete: bool
    from_index: int
    log_index: int


class Course(Form):
    """Of what: a case, or a grant from its form on. One of the two."""

    case: str | None = Field(default=None, max_length=64)
    grant: str | None = Field(default=None, max_length=64)


class StepAnswer(Answer):
    """One entry of a timeline, with what its kind is called."""

    index: int
    zh: str
    en: str
    entry: dict[str, Any]


class TimelineAnswer(Answer):
    """Entries, oldest first. Not `complete`: the newest of very many."""

    entries: list[StepAnswer]
    complete: bool
    log_index: int


@router.post("/audit:query", summary="查询留痕 Question the trail", response_model=TrailAnswer, responses=problems(413, 415))
def ask(who: Who, form: Annotated[TrailQuestion, Depends(body_of(TrailQuestion))]) -> Response:
    """Who did what, when, on which case and why: within the groups of entries the asker's role may question, and outside the walls."""
    caller = who.caller()
    question = Question(
        account=form.account,
        person=form.person,
        unit=form.unit,
        case=form.case,
        grant=form.grant,
        about=None if form.about is None else (form.about.kind, form.about.id),
        kinds=tuple(form.kinds),
        purpose=form.purpose,
        verdict=form.verdict,
        request_id=form.request_id,
        since=form.since,
        until=form.until,
    )
    found = questions.ask(who.desk, caller, question, cursor=form.cursor, limit=form.limit)
    entries = [EntryAnswer(index=one.index, entry=one.members) for one in found.entries]
    return reply(TrailAnswer(entries=entries, cursor=found.cursor, log_index=found.log_index))


@router.get("/audit/entries/{index}", summary="看一条留痕 See one entry", response_model=EntryAnswer, responses=problems(404))
def entry(index: Annotated[int, Path(ge=0, le=_MOST_INDEX)], who: Who) -> Response:
    """One entry by its place in the log."""
    caller = who.caller()
    found = questions.read_entry(who.desk, caller, index)
    return reply(EntryAnswer(index=found.index, entry=found.members))


@router.post(
    "/audit:who-saw",
    summary="谁看过 Who saw a case or a petitioner",
    response_model=SightingsAnswer,
    responses=problems(404, 413, 415, 429),
)
def who_saw(who: Who, form: Annotated[WhoSaw, Depends(body_of(WhoSaw))]) -> Response:
    """Who saw a case, or any case of a petitioner: in lists, searches, masked views and clear text, by person and way.

    Within what the asker may question. A petitioner is found by a search by identity, which is purposed, limited and on record as such.
    """
    caller = who.caller()
    _one_of(form.case, form.petitioner, "case", "petitioner")
    if form.petitioner is not None:
        asked = form.petitioner
        found = sightings.who_saw_petitioner(who.desk, caller, asked.kind, asked.value, purpose=asked.purpose, reason=asked.reason)
    else:
        found = sightings.who_saw(who.desk, caller, str(form.case))
    return reply(
        SightingsAnswer(
            cases=list(found.cases),
            sightings=[
                SightingAnswer(
                    person=one.person,
                    account=one.account,
                    way=one.way,
                    zh=sightings.WAYS[one.way][0],
                    en=sightings.WAYS[one.way][1],
                    times=one.times,
                    first=one.first,
                    last=one.last,
                    roles=sorted(one.roles),
                    units=sorted(one.units),
                    cases=sorted(one.cases),
                    purposes=sorted(one.purposes),
                    grants=sorted(one.grants),
                    indices=one.indices,
                )
                for one in found.sightings
            ],
            complete=found.complete,
            from_index=found.from_index,
            log_index=found.log_index,
        )
    )


@router.post(
    "/audit:timeline", summary="经过 Timeline of a case or a grant", response_model=TimelineAnswer, responses=problems(404, 413, 415)
)
def timeline(who: Who, form: Annotated[Course, Depends(body_of(Course))]) -> Response:
    """All that the log tells the asker of a case, or of a grant from the filing of its form to its last opening, oldest first."""
    caller = who.caller()
    _one_of(form.case, form.grant, "case", "grant")
    found = (
        timelines.of_case(who.desk, caller, form.case) if form.case is not None else timelines.of_grant(who.desk, caller, str(form.grant))
    )
    steps = [_step(one) for one in found.entries]
    return reply(TimelineAnswer(entries=steps, complete=found.complete, log_index=found.log_index))


def _step(shown: Shown) -> StepAnswer:
    kind = KINDS[shown.members["kind"]]
    return StepAnswer(index=shown.index, zh=kind.zh, en=kind.en, entry=shown.members)


def _one_of(first: object, second: object, *names: str) -> None:
    if (first is None) == (second is None):
        raise InvalidInput([Fault(names[0], "one-of", f"{names[0]} 与 {names[1]} 须写其一。", f"Give one of {names[0]} and {names[1]}.")])
