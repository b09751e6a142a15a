"""The conversation with the archive, without any input or output of its own: generators that yield steps and are sent their results.

A driver (`client`, `aio`) performs each step and sends back what came of it, failures as values. So retries, tokens and refusals are
written once, for both, and no exception of the transport, which would hold the request's body, is ever part of a chain.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from petition_archive_client.answers import Reply, problem_of
from petition_archive_client.connection import Terms
from petition_archive_client.errors import AnswerRefused, ArchiveProblem, ConnectionFailed, OutcomeUnknown
from petition_archive_client.requests import Request

MOST_ANSWER_BYTES = 4 * 1024 * 1024
AGAIN = frozenset({429, 502, 503, 504})
_MAYBE_DONE = frozenset({502, 504})  # a gateway gave up waiting; whether the archive acted is not known


@dataclass(frozen=True, slots=True)
class Open:
    """Send a request and wait for the answer's head: a Head, or a Failure. Ends any answer open before."""

    request: Request
    token: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Read:
    """The next bytes of the answer's body, b"" after the last; or a Failure."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait."""

    seconds: float


@dataclass(frozen=True, slots=True)
class NeedToken:
    """The access token, and not the `refused` one."""

    refused: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers of an answer, names in lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Failure:
    """What the transport did: `not-sent` (nothing reached the archive), `lost` (perhaps it did), `tls` (its certificate does not hold)."""

    kind: Literal["not-sent", "lost", "tls"]


Step = Open | Read | Pause | NeedToken
T = TypeVar("T")
Steps = Generator[Any, Any, T]
"""Yields steps; is sent what each asks for; returns what came of it all."""


def exchange(terms: Terms, make: Callable[[], Request], *, holding: str | None = None) -> Steps[Reply]:
    """Ask until there is an answer that asking again would not change. ConnectionFailed, OutcomeUnknown.

    `make` makes the request anew for each attempt. `holding`: a problem code for which the archive wants to be asked again (409).
    """
    failed, renewed, waited = 0, False, 0.0
    lost = False  # an attempt may have taken effect without an answer
    token: str | None = None
    while True:
        request = make()
        if request.authorised and token is None:
            token = yield NeedToken()
        outcome = yield from _attempt(terms, request, token)
        wait: float | None
        if isinstance(outcome, Failure):
            failed += 1
            lost = lost or outcome.kind == "lost"
            wait = None if outcome.kind == "tls" else terms.retries.wait(failed)
        elif outcome.status == 401 and token is not None and not renewed:
            # Revoked or ended on the way: one new token, then the refusal stands.
            token, renewed = (yield NeedToken(token)), True
            continue
        elif outcome.status in AGAIN:
            failed += 1
            lost = lost or outcome.status in _MAYBE_DONE
            wait = terms.retries.wait(failed, outcome.retry_after)
        elif holding and outcome.status == 409 and waited < terms.retries.patience and problem_of(outcome).code == holding:
            wait = min(outcome.retry_after or 1.0, terms.retries.patience)
            waited += max(wait, 0.05)
        else:
            return outcome
        if wait is None:
            if lost and request.key_settles:
                raise OutcomeUnknown(request.idempotency_key)
            return _last(outcome)
        yield Pause(wait)


def collected(terms: Terms, head: Head, most: int) -> Steps[Reply | Failure]:
    """The whole body of an opened answer, if it is not too long and does not take too long. AnswerRefused."""
    deadline = terms.elapsed() + terms.timeouts.answer
    body = bytearray()
    while True:
        piece = yield Read()
        if isinstance(piece, Failure):
            return piece
        if not piece:
            return Reply(head.status, head.headers, bytes(body), terms.now())
        body += piece
        if len(body) > most:
            raise AnswerRefused("too-long")
        if terms.elapsed() > deadline:
            return Failure("lost")


def checked_head(head: Head) -> Head:
    """AnswerRefused for an encoding that was not asked for: its true size could not be known."""
    if head.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise AnswerRefused("content-encoding")
    return head


def _attempt(terms: Terms, request: Request, token: str | None) -> Steps[Reply | Failure]:
    head = yield Open(request, token)
    if isinstance(head, Failure):
        return head
    return (yield from collected(terms, checked_head(head), MOST_ANSWER_BYTES))


def _last(outcome: Reply | Failure) -> Reply:
    if isinstance(outcome, Failure):
        raise ConnectionFailed("certificate-not-trusted" if outcome.kind == "tls" else outcome.kind)
    return outcome


def give_up(outcome: Reply | Failure) -> ArchiveProblem | ConnectionFailed:
    """The error that ends an exchange."""
    return ConnectionFailed(outcome.kind) if isinstance(outcome, Failure) else problem_of(outcome)
