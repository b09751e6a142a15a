"""Many cases in one request: lines are read, deposited in units of work of some hundreds, and answered, while more are being read.

Memory is bounded by three units of work (one being read, one prepared, one stored), one line, and the answers the client has not yet read.
An answer is sent after its commit. What ends early (a token that ran out, a client that went away) ends without the last line, and every
line without an answer was not taken.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import anyio
from anyio.abc import ObjectReceiveStream, ObjectSendStream
from anyio.to_thread import run_sync
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from archive.intake import Begun, begin, finish
from archive.receipts import Receipt
from foundation.errors import ArchiveError, StorageUnavailable
from service.http.errors import BodyLate, BodyTooLarge
from service.http.identity import Asking
from service.http.lines import Line, LineCutter
from service.http.metrics import Metrics
from service.http.middleware import known
from service.http.problems import problem_of
from service.http.receipts import receipt_members
from service.http.strict import NDJSON
from service.logs import code_of, log

T = TypeVar("T")
UNIT_LINES: Final = 200
UNIT_BYTES: Final = 4 * 2**20
# Answers of that many units wait for a client that sends without reading; then the archive waits for it, and not for ever. Nor does it wait
# for ever for the next bytes of a client that does not send: a batch may take as long as it likes, a pause may not.
_WAITING_UNITS: Final = 256
_PATIENCE_SECONDS: Final = 120.0


class BatchAnswer(Response):
    """The answer to a batch: reads the request while it is sent."""

    media_type = NDJSON

    def __init__(self, who: Asking, metrics: Metrics) -> None:
        """For one request of `who`."""
        super().__init__()
        del self.headers["content-length"]
        self._who = who
        self._metrics = metrics
        self._counts: Counter[str] = Counter()

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Read, deposit, answer."""
        units = self._units(receive)
        # The first unit decides whether there is a batch at all: until it is committed, a refusal is an ordinary one.
        first = await self._answered(await anext(units, []))
        into, out = anyio.create_memory_object_stream[bytes](_WAITING_UNITS)
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_pass_on, out, send)
            async with into:
                await _put(into, first)
                await self._others(units, into)

    async def _others(self, units: AsyncIterator[list[Line]], into: ObjectSendStream[bytes]) -> None:
        # While one unit is stored the next is prepared: one more, never further, so that memory stays bounded.
        onto, ahead = anyio.create_memory_object_stream[_Unit | Exception]()
        with ahead:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._prepare_ahead, units, onto)
                await self._store(ahead, into)
                tasks.cancel_scope.cancel()

    async def _prepare_ahead(self, units: AsyncIterator[list[Line]], onto: ObjectSendStream[_Unit | Exception]) -> None:
        async with onto:
            try:
                async for unit in units:
                    await onto.send(await run_sync(self._begun, unit))
            except Exception as error:  # noqa: BLE001  raised where it stands in the order: when everything before it is answered
                await onto.send(error)

    async def _store(self, ahead: ObjectReceiveStream[_Unit | Exception], into: ObjectSendStream[bytes]) -> None:
        try:
            async for unit in ahead:
                if isinstance(unit, Exception):
                    raise unit
                await _put(into, await run_sync(self._stored, unit))
        except BodyTooLarge as error:
            await _put(into, self._last(error))
        except (ArchiveError, ClientDisconnect) as error:
            # A client that went, a session that ended, a right that was taken: what came before stands, the rest was not taken.
            log().warning("batch.ended-early", request_id=self._who.request_id, error=code_of(error), lines=sum(self._counts.values()))
        else:
            await _put(into, self._last(None))

    async def _units(self, receive: Receive) -> AsyncIterator[list[Line]]:
        limits = self._who.house.limits
        cutter = LineCutter(limits.body)
        unit: list[Line] = []
        size = read = 0
        async for block in _blocks(receive):
            read += len(block)
            for line in cutter.feed(block):
                unit.append(line)
                size += len(line.content) if isinstance(line.content, bytes) else 0
                if len(unit) >= UNIT_LINES or size >= UNIT_BYTES:
                    yield unit
                    unit, size = [], 0
            if read > limits.batch or cutter.number > limits.batch_lines:
                yield unit
                raise BodyTooLarge(limit=limits.batch)
        unit.extend(cutter.end())
        if unit:
            yield unit

    async def _answered(self, unit: list[Line]) -> bytes:
        return await run_sync(lambda: self._stored(self._begun(unit)))

    def _begun(self, lines: list[Line]) -> _Unit:
        caller = self._who.caller()
        if not lines:
            return _Unit(lines, None)
        records = [line.content for line in lines]
        return _Unit(lines, _unless_away(lambda: begin(self._who.desk, caller, records, preparers=self._who.house.preparers)))

    def _stored(self, unit: _Unit) -> bytes:
        begun = unit.begun
        answers = _unless_away(lambda: self._finished(begun)) if isinstance(begun, Begun) else begun
        if isinstance(answers, StorageUnavailable):
            return b"".join(self._line(line, answers) for line in unit.lines)
        return b"".join(self._line(line, answer) for line, answer in zip(unit.lines, answers or (), strict=True))

    def _finished(self, begun: Begun) -> list[Receipt | ArchiveError]:
        # It has waited for the unit before it, and for the client to read: whose session ended meanwhile deposits nothing more.
        self._who.caller()
        return finish(begun)

    def _line(self, line: Line, answer: Receipt | ArchiveError) -> bytes:
        members: dict[str, Any] = {"line": line.number}
        if isinstance(answer, Receipt):
            outcome: str = answer.status
            members["status"] = 201 if answer.status == "created" else 200
            members["receipt"] = receipt_members(self._who.house, answer)
        else:
            outcome = "refused"
            problem = problem_of(answer, self._who.request_id)
            members["status"] = problem.status
            members["problem"] = problem.body
        self._counts[outcome] += 1
        self._metrics.deposits.labels(outcome).inc()
        return _json(members)

    def _last(self, error: ArchiveError | None) -> bytes:
        members: dict[str, Any] = {"done": error is None, "lines": sum(self._counts.values())}
        members.update((name, self._counts[name]) for name in ("created", "same", "refused"))
        if error is not None:
            members["problem"] = problem_of(error, self._who.request_id).body
        return _json(members)


@dataclass(frozen=True, slots=True)
class _Unit:
    """Lines that are prepared together (None: there are none), or what stood in the way of it."""

    lines: Sequence[Line]
    begun: Begun | StorageUnavailable | None


def _unless_away(act: Callable[[], T]) -> T | StorageUnavailable:
    try:
        return act()
    except Exception as error:
        told = known(error)
        if not isinstance(told, StorageUnavailable):
            raise
        return told


async def _blocks(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = None
        with anyio.move_on_after(_PATIENCE_SECONDS):
            message = await receive()
        if message is None:
            raise BodyLate
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        if message.get("body"):
            yield message["body"]
        if not message.get("more_body", False):
            return


async def _put(into: ObjectSendStream[bytes], answers: bytes) -> None:
    with anyio.move_on_after(_PATIENCE_SECONDS):
        await into.send(answers)
        return
    raise TimeoutError  # breaks the connection: what the client did not read it must send again


async def _pass_on(out: ObjectReceiveStream[bytes], send: Send) -> None:
    async with out:
        async for answers in out:
            await send({"type": "http.response.body", "body": answers, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _json(members: dict[str, Any]) -> bytes:
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
