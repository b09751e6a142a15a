"""The client of a petition archive for ordinary programs: `ArchiveClient`. For asyncio there is `aio.AsyncArchiveClient`.

It writes no log lines of its own, and none of its errors carries what was sent.
"""

from __future__ import annotations

import ssl
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from threading import Lock
from time import sleep
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


class ArchiveClient:
    """One registered case system's door to the archive. Safe to share between threads; close it, or use it in a `with`."""

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
        """Nothing is sent yet. ValueError for an address that is neither https:// nor on this machine.

        `client`: the name the archive registered, `<fonds>.<id>`. `audience`: the archive's token endpoint under its public address, where
        that is not `<base_url>/v1/token`. `tls`: a context that trusts the intranet's own authority.
        """
        self._terms = Terms.of(base_url, client, key, audience=audience, retries=retries, timeouts=timeouts)
        self._tokens = Tokens(self._terms.elapsed)
        self._fetching = Lock()
        self._http = httpx.Client(**transport_options(self._terms, tls))

    def deposit(self, case: Case, *, idempotency_key: str | None = None) -> Receipt:
        """Deposit one closed case; the receipt says it is durable. The same content again answers the same receipt.

        `idempotency_key`: by default a new one, kept over this call's own retries. ArchiveProblem (422 with every fault, 409 where the
        number is archived with other content), ConnectionFailed, AnswerRefused, CaseNotJson.
        """
        return self._run(acts.deposit(self._terms, case, idempotency_key))

    def deposit_many(self, cases: Iterable[Case]) -> Iterator[LineAnswer]:
        """Deposit a stream of cases: an answer for each as it arrives, in the memory of one request however many there are.

        A broken connection is taken up again where it broke. Errors as `deposit`, but what is wrong with one case is its line's answer.
        """
        source = iter(cases)
        with closing(self._play(batches.deposit_many(self._terms), source)) as play:
            yield from play

    def supplement(self, case_id: str, *, base_version: int, supplement: Case, reason: str, idempotency_key: str | None = None) -> Receipt:
        """Add later items (补充归档), as groups such as `reviews` or `feedback` with the new items. Makes version `base_version` + 1.

        As `deposit`, under one key; also OutcomeUnknown where no attempt was answered: its `idempotency_key` settles what became of it.
        """
        return self._run(acts.supplement(self._terms, case_id, base_version, supplement, reason, idempotency_key))

    def correct(self, case_id: str, *, base_version: int, case: Case, reason: str, idempotency_key: str | None = None) -> Receipt:
        """Replace a case by its whole corrected form (更正). Makes version `base_version` + 1. Errors as `supplement`."""
        return self._run(acts.correct(self._terms, case_id, base_version, case, reason, idempotency_key))

    def receipt(self, entry_id: str) -> Receipt:
        """Fetch a receipt again by its entry."""
        return self._run(acts.receipt(self._terms, entry_id))

    def proof(self, entry_id: str) -> bytes:
        """Fetch the proof of a receipt, a `.tlog-proof`, once the log that covers it is published: normally within a second."""
        return self._run(acts.proof(self._terms, entry_id))

    def prove(self, receipt: Receipt, log_key: str) -> ProvenReceipt:
        """Fetch the proof of a receipt and check it (`checking.check_receipt`)."""
        return check_receipt(receipt, self.proof(receipt.entry_id), log_key)

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._terms.client} at {self._terms.base_url}>"

    def _run(self, steps: Steps[T]) -> T:
        play = self._play(steps, iter(()))
        while True:
            try:
                next(play)
            except StopIteration as end:
                value: T = end.value
                return value

    def _play(self, steps: Steps[T], source: Iterator[Case]) -> Generator[LineAnswer, None, T]:
        with closing(_Wire(self._http)) as wire:
            result: Any = None
            while True:
                try:
                    step = steps.send(result)
                except StopIteration as end:
                    value: T = end.value
                    return value
                if isinstance(step, batches.Emit):
                    yield step.answer
                    result = None
                elif isinstance(step, batches.Pull):
                    result = next(source, batches.END)
                elif isinstance(step, NeedToken):
                    result = self._token(step.refused)
                else:
                    result = wire.perform(step)

    def _token(self, refused: str | None) -> str:
        with self._fetching:
            token = self._tokens.current(refused=refused)
            if token is None:
                asked_at = self._terms.elapsed()
                token = self._tokens.keep(self._run(acts.token(self._terms)), asked_at)
            return token


class _Wire:
    """One conversation's connection: at most one answer is open."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self._response: httpx.Response | None = None
        self._pieces: Iterator[bytes] = iter(())

    def perform(self, step: Step) -> Head | bytes | Failure | None:
        try:
            return self._perform(step)
        except (httpx.TransportError, httpx.StreamError) as error:
            failure = failure_of(error)
        self.close()
        return failure

    def _perform(self, step: Step) -> Head | bytes | None:
        match step:
            case Open(request, token):
                return self._open(request, token)
            case Read():
                return next(self._pieces, b"")
            case Pause(seconds):
                self.close()
                sleep(seconds)
                return None
            case NeedToken():
                raise TypeError("tokens are the client's")
            case _:
                assert_never(step)

    def _open(self, request: requests.Request, token: str | None) -> Head:
        self.close()
        built = self._http.build_request(request.method, request.path, headers=request.headers(token), content=request.body or None)
        self._response = self._http.send(built, stream=True)
        self._pieces = self._response.iter_raw()
        return head_of(self._response)

    def close(self) -> None:
        response, self._response, self._pieces = self._response, None, iter(())
        if response is not None:
            response.close()
