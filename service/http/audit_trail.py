"""Questions to the trail."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path
from pydantic import Field
from starlette.responses import Response

from audit.trail import Question
from reviews import questions
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
