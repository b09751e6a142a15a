"""Depositing many cases: a stream of cases in, a stream of answers out, in the memory of one request.

Cases are gathered into requests of bounded size; the answers of each are given on as they arrive. What was not answered, because a
connection broke or the archive said "not now" for a line, is sent again: a deposit of the same content answers the same receipt.

Why the size of a request is bounded: an HTTP/1.1 client reads answers only after it has sent the whole request. If both sides' buffers
could fill, each would wait for the other. So a request fits into the buffers of a connection, and each that breaks halves the next
one: one line at a time, which needs no buffer at all, is where it ends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from petition_archive_client.answers import CaseNumber, Receipt, Reply, parsed, problem_in, problem_of
from petition_archive_client.connection import Terms
from petition_archive_client.errors import AnswerRefused, ArchiveProblem, CaseNotJson, ConnectionFailed
from petition_archive_client.exchange import (
    AGAIN,
    MOST_ANSWER_BYTES,
    Failure,
    Head,
    NeedToken,
    Open,
    Pause,
    Read,
    Steps,
    checked_head,
    collected,
    give_up,
)
from petition_archive_client.requests import Case, batch_request, encoded

MOST_REQUEST_BYTES = 128 * 1024
MOST_LINE_BYTES = 1024 * 1024
END: Final = object()
"""What a driver answers to Pull when there are no more cases."""


@dataclass(frozen=True, slots=True)
class LineAnswer:
    """The answer to the n-th case (from 1) of a stream: a receipt, or the problem with it. `status` is the HTTP status of the line."""

    line: int
    status: int
    receipt: Receipt | None = None
    problem: ArchiveProblem | CaseNotJson | None = None

    @property
    def accepted(self) -> bool:
        return self.receipt is not None


@dataclass(frozen=True, slots=True)
class Pull:
    """The next case, or END."""


@dataclass(frozen=True, slots=True)
class Emit:
    """Give an answer to the caller."""

    answer: LineAnswer


@dataclass(slots=True)
class _Line:
    number: int
    body: bytes = field(repr=False)
    case: CaseNumber
    tried: int = 0


@dataclass(slots=True)
class _Round:
    """What came of one request: the lines to be sent again, how many of them were put off by the archive, and how it ended."""

    open: dict[int, _Line]
    put_off: int = 0
    progress: bool = False
    broken: Reply | Failure | None = None


def deposit_many(terms: Terms) -> Steps[None]:
    """Deposit all the cases pulled. Yields Pull and Emit beside the steps of an exchange.

    ConnectionFailed or ArchiveProblem after as many requests without a single answer as there are attempts; whatever was emitted stands.
    """
    waiting: deque[_Line] = deque()
    number, failed, most, ended = 0, 0, terms.lines_per_request, False
    while True:
        held = sum(len(line.body) for line in waiting)
        while not ended and len(waiting) < most and held < MOST_REQUEST_BYTES:
            case = yield Pull()
            if case is END:
                ended = True
                break
            number += 1
            line = _line(number, case)
            if isinstance(line, LineAnswer):
                yield Emit(line)
            else:
                held += len(line.body)
                waiting.append(line)
        if not waiting:
            return
        part = _fitting(waiting, most)
        done = yield from _round(terms, part)
        waiting.extendleft(reversed(done.open.values()))
        failed = 0 if done.progress else failed + 1
        most = min(terms.lines_per_request, most * 2) if done.broken is None else max(1, len(part) // 2)
        if done.broken is not None or done.put_off:
            asked = done.broken.retry_after if isinstance(done.broken, Reply) else None
            wait = terms.retries.wait(max(failed, 1), asked)
            if wait is None:
                raise give_up(done.broken or Failure("lost"))
            yield Pause(wait)


def _line(number: int, case: Case) -> _Line | LineAnswer:
    try:
        return _Line(number, encoded(case), CaseNumber.of(case))
    except CaseNotJson as problem:
        return LineAnswer(number, 422, problem=problem.with_traceback(None))  # whose frames would keep the case


def _fitting(waiting: deque[_Line], most: int) -> list[_Line]:
    part = [waiting.popleft()]
    size = len(part[0].body)
    while waiting and len(part) < most and size + len(waiting[0].body) <= MOST_REQUEST_BYTES:
        size += len(waiting[0].body)
        part.append(waiting.popleft())
    return part


def _round(terms: Terms, part: list[_Line]) -> Steps[_Round]:
    """One request and its answers. ArchiveProblem where the archive refuses the whole of it."""
    done = _Round(dict(enumerate(part, 1)))
    request = batch_request([line.body for line in part])
    token = yield NeedToken()
    head = yield Open(request, token)
    if isinstance(head, Head) and head.status == 401:
        token = yield NeedToken(token)
        head = yield Open(request, token)
    if isinstance(head, Failure):
        if head.kind == "tls":
            raise ConnectionFailed("certificate-not-trusted")
        done.broken = head
    elif checked_head(head).status == 200:
        yield from _answers(terms, head, done)
    else:
        yield from _refused(terms, head, done)
    return done


def _refused(terms: Terms, head: Head, done: _Round) -> Steps[None]:
    reply = yield from collected(terms, head, MOST_ANSWER_BYTES)
    if isinstance(reply, Failure) or reply.status in AGAIN:
        done.broken = reply
    elif reply.status == 413 and len(done.open) > 1:
        done.broken, done.progress = reply, True  # smaller requests may pass: no attempt was lost
    elif reply.status == 413:
        yield Emit(LineAnswer(done.open.pop(1).number, 413, problem=problem_of(reply)))
        done.progress = True
    elif reply.status < 400:
        raise AnswerRefused("redirect" if reply.status >= 300 else "status")
    else:
        raise problem_of(reply)


def _answers(terms: Terms, head: Head, done: _Round) -> Steps[None]:
    if Reply(head.status, head.headers, b"").media_type != "application/x-ndjson":
        raise AnswerRefused("media-type")
    rest, closed = b"", False
    while True:
        piece = yield Read()
        if isinstance(piece, Failure) or not piece:
            break
        *lines, rest = (rest + piece).split(b"\n")
        if len(rest) > MOST_LINE_BYTES or any(len(line) > MOST_LINE_BYTES for line in lines):
            raise AnswerRefused("too-long")
        for line in lines:
            members = _members(line)
            if closed:
                raise AnswerRefused("answer-after-the-end")
            closed = "done" in members  # false where the archive stopped before the end; what it left is sent again
            answer = None if closed else _answer(terms, members, done)
            if answer is not None:
                done.progress = True
                yield Emit(answer)
    if len(done.open) > done.put_off:
        done.broken = Failure("lost")


def _members(line: bytes) -> Mapping[str, Any]:
    members = parsed(line)
    if not isinstance(members, dict):
        raise AnswerRefused("answer-form")
    return members


def _answer(terms: Terms, members: Mapping[str, Any], done: _Round) -> LineAnswer | None:
    """The answer to one line; None where the line is to be sent again."""
    at, status = members.get("line"), members.get("status")
    if type(at) is not int or type(status) is not int or at not in done.open:
        raise AnswerRefused("answer-to-no-line")
    line = done.open[at]
    if status in AGAIN and line.tried + 1 < terms.retries.attempts:
        line.tried += 1
        done.put_off += 1
        return None
    del done.open[at]
    if status in {200, 201}:
        receipt = Receipt.parse(members.get("receipt"))
        if not line.case.is_of(receipt):
            raise AnswerRefused("receipt-of-another-case")
        return LineAnswer(line.number, status, receipt=receipt)
    problem = members.get("problem")
    if status < 400 or not isinstance(problem, dict):
        raise AnswerRefused("answer-form")
    return LineAnswer(line.number, status, problem=problem_in(problem, status))
