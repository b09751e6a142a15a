"""The client of a petition archive for asyncio: `AsyncArchiveClient`, with the acts, arguments and errors of `client.ArchiveClient`."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self, TypeVar, assert_never

import httpx

from petition_archive_client import acts, batches, requests
from petition_archive_client.answers import Receipt
from petition_archive_client.assertion import ClientKey
from petition_archive_client.batches import LineAnswer
from petition_archive_client.checking import ProvenReceipt, check_receipt
from petition_archive_client.connection import Retries, Terms, Timeouts
from petition_archive_client.exchange import Failure, Head, NeedToken, Open, Pause, Read, Step, Steps
from petition_archive_client.requests import Case
from petition_archive_client.tokens import Tokens
from petition_archive_client.wire import failure_of, head_of, transport_options

T = TypeVar("T")


class AsyncArchiveClient:
    """One registered case system's door to the archive, for one event loop. Close it, or use it in an `async with`."""

    def __init__(
        self,
        base_url: str,
        *,
        client: str,
        key: ClientKey,
        audience: str | None = None,
        retries: Retries | None = None,
        timeouts: Timeouts | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """As `ArchiveClient`."""
        self._terms = Terms.of(base_url, client, key, audience=audience, retries=retries, timeouts=timeouts)
        self._tokens = Tokens(self._terms.elapsed)
        self._fetching = asyncio.Lock()
        self._http = httpx.AsyncClient(**transport_options(self._terms, tls))

    async def deposit(self, case: Case, *, idempotency_key: str | None = None) -> Receipt:
        """As `ArchiveClient.deposit`."""
        return await self._run(acts.deposit(self._terms, case, idempotency_key))

    async def deposit_many(self, cases: Iterable[Case] | AsyncIterable[Case]) -> AsyncGenerator[LineAnswer, None]:
        """As `ArchiveClient.deposit_many`; the cases may come from an asynchronous source."""
        source = _stream(cases)
        steps = batches.deposit_many(self._terms)
        async with aclosing(_Wire(self._http)) as wire:
            result: Any = None
            while True:
                try:
                    step = steps.send(result)
                except StopIteration:
                    return
                if isinstance(step, batches.Emit):
                    yield step.answer
                    result = None
                elif isinstance(step, batches.Pull):
                    result = await anext(source, batches.END)
                else:
                    result = await self._perform(wire, step)

    async def supplement(
        self, case_id: str, *, base_version: int, supplement: Case, reason: str, idempotency_key: str | None = None
    ) -> Receipt:
        """As `ArchiveClient.supplement`."""
        return await self._run(acts.supplement(self._terms, case_id, base_version, supplement, reason, idempotency_key))

    async def correct(self, case_id: str, *, base_version: int, case: Case, reason: str, idempotency_key: str | None = None) -> Receipt:
        """As `ArchiveClient.correct`."""
        return await self._run(acts.correct(self._terms, case_id, base_version, case, reason, idempotency_key))

    async def receipt(self, entry_id: str) -> Receipt:
        """As `ArchiveClient.receipt`."""
        return await self._run(acts.receipt(self._terms, entry_id))

    async def proof(self, entry_id: str) -> bytes:
        """As `ArchiveClient.proof`."""
        return await self._run(acts.proof(self._terms, entry_id))

    async def prove(self, receipt: Receipt, log_key: str) -> ProvenReceipt:
        """As `ArchiveClient.prove`."""
        return check_receipt(receipt, await self.proof(receipt.entry_id), log_key)

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._terms.client} at {self._terms.base_url}>"

    async def _run(self, steps: Steps[T]) -> T:
        async with aclosing(_Wire(self._http)) as wire:
            result: Any = None
            while True:
                try:
                    step = steps.send(result)
                except StopIteration as end:
                    value: T = end.value
                    return value
                result = await self._perform(wire, step)

    async def _perform(self, wire: _Wire, step: Step) -> Any:
        return await self._token(step.refused) if isinstance(step, NeedToken) else await wire.perform(step)

    async def _token(self, refused: str | None) -> str:
        async with self._fetching:
            token = self._tokens.current(refused=refused)
            if token is None:
                asked_at = self._terms.elapsed()
                token = self._tokens.keep(await self._run(acts.token(self._terms)), asked_at)
            return token


class _Wire:
    """One conversation's connection: at most one answer is open."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._response: httpx.Response | None = None
        self._pieces: AsyncIterator[bytes] | None = None

    async def perform(self, step: Step) -> Head | bytes | Failure | None:
        try:
            return await self._perform(step)
        except (httpx.TransportError, httpx.StreamError) as error:
            failure = failure_of(error)
        await self.aclose()
        return failure

    async def _perform(self, step: Step) -> Head | bytes | None:
        match step:
            case Open(request, token):
                return await self._open(request, token)
            case Read():
                return b"" if self._pieces is None else await anext(self._pieces, b"")
            case Pause(seconds):
                await self.aclose()
                await asyncio.sleep(seconds)
                return None
            case NeedToken():
                raise TypeError("tokens are the client's")
            case _:
                assert_never(step)

    async def _open(self, request: requests.Request, token: str | None) -> Head:
        await self.aclose()
        built = self._http.build_request(request.method, request.path, headers=request.headers(token), content=request.body or None)
        self._response = await self._http.send(built, stream=True)
        self._pieces = self._response.aiter_raw()
        return head_of(self._response)

    async def aclose(self) -> None:
        response, self._response, self._pieces = self._response, None, None
        if response is not None:
            await response.aclose()


async def _stream(cases: Iterable[Case] | AsyncIterable[Case]) -> AsyncIterator[Case]:
    if isinstance(cases, AsyncIterable):
        async for case in cases:
            yield case
    else:
        for case in cases:
            yield case
