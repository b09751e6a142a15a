"""The witness's door (c2sp.org/tlog-witness): `POST /add-checkpoint`, and the last cosigned checkpoint of a log for whoever watches it.

Nobody signs in: what is asked is judged by the log's own signature. What may be kept waiting has an end: a body comes within seconds or
not at all, a connection lives a minute, and there are only so many; for floods beyond that there is the proxy in front.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from foundation.errors import ArchiveError
from service.logs import code_of, log
from service.witness.judging import Answer, Witness
from service.witness.wire import LARGEST, PATH

BODY_SECONDS: Final = 10.0
LIFE_SECONDS: Final = 60.0
CLIENTS: Final = 200
GRACE_SECONDS: Final = 10
_CHECKPOINT = re.compile(r"/([0-9a-f]{64})/checkpoint")

Application = Callable[
    [dict[str, Any], Callable[[], Awaitable[dict[str, Any]]], Callable[[dict[str, Any]], Awaitable[None]]], Awaitable[None]
]


def application(witness: Witness) -> Application:
    """The ASGI application of a witness."""

    async def serve(
        scope: dict[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]], send: Callable[[dict[str, Any]], Awaitable[None]]
    ) -> None:
        try:
            answer = await _answer(witness, scope, receive)
        except Exception as failed:  # noqa: BLE001  whatever it was, nothing was cosigned, and the next request may fare better
            log().error("witness.failed", error=code_of(failed), exc_info=failed)
            answer = Answer(503, (failed.code if isinstance(failed, ArchiveError) else "witness-unavailable").encode() + b"\n")
        log().info("witness.asked", method=scope["method"], status=answer.status, archive=answer.origin or None)
        headers = [(b"content-type", answer.media_type.encode()), (b"content-length", str(len(answer.body)).encode())]
        # What was not read to its end cannot be followed by another request.
        headers += [(b"cache-control", b"no-store"), *([(b"connection", b"close")] if answer.status in {408, 413} else [])]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})

    return serve


async def _answer(witness: Witness, scope: dict[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]]) -> Answer:
    if scope["path"] == PATH:
        if scope["method"] != "POST":
            return Answer(405, b"POST\n")
        body = await _body(receive)
        # Judging waits for a lock and for the disk.
        return body if isinstance(body, Answer) else await asyncio.to_thread(witness.add_checkpoint, body)
    if scope["method"] not in {"GET", "HEAD"}:
        return Answer(404, b"not found\n")
    if scope["path"] == "/healthz":
        return Answer(200, b"ok\n")
    asked = _CHECKPOINT.fullmatch(scope["path"])
    note = None if asked is None else await asyncio.to_thread(witness.latest, asked[1])
    return Answer(404, b"not found\n") if note is None else Answer(200, note)


async def _body(receive: Callable[[], Awaitable[dict[str, Any]]]) -> bytes | Answer:
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return Answer(408, b"gone\n")
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > LARGEST:
                    return Answer(413, b"too large\n")
                if not message.get("more_body"):
                    return b"".join(parts)
    except TimeoutError:
        return Answer(408, b"late\n")


class _Brief(H11Protocol):
    """A connection that ends after a minute, whatever it is doing: a head that never ends would hold its place for ever."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self._end = self.loop.call_later(LIFE_SECONDS, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end.cancel()
        super().connection_lost(exc)


def server_of(witness: Witness, *, host: str, port: int) -> uvicorn.Server:
    """A server that is not running yet. Several processes may serve one folder, behind one proxy."""
    config = uvicorn.Config(
        application(witness),
        host=host,
        port=port,
        loop="asyncio",
        http=_Brief,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=GRACE_SECONDS,
        limit_concurrency=CLIENTS,
        h11_max_incomplete_event_size=16 * 1024,
    )
    return uvicorn.Server(config)
