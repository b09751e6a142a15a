"""Around every request: its id, the class of its network, headers that keep answers out of caches, one log line, one count.

Pure ASGI, so that nothing is buffered and a streamed batch stays a stream.
"""

from __future__ import annotations

import time
from collections.abc import MutableMapping
from typing import Any, Final
from urllib.parse import parse_qsl

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from foundation.errors import ArchiveError, StorageUnavailable
from foundation.ids import new_id
from service.house import Networks
from service.http.bodies import HELD, Bodies
from service.http.errors import AmbiguousRequest
from service.http.metrics import Metrics
from service.http.problems import answer
from service.logs import code_of, log

UNMATCHED: Final = "unmatched"
# Where the routes leave an error that was answered 500 or 503, for the log.
FAILURE: Final = "failure"
GONE: Final = 499  # the client went away before its request was whole; nobody is there to be answered
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_HSTS: Final = "max-age=31536000"
# What is read once is sent once. (`Host` is h11's: it takes one and no more, and one `Content-Length`.)
_ONCE: Final = frozenset(
    {b"authorization", b"archive-role", b"content-type", b"content-encoding", b"content-length", b"idempotency-key", b"if-match"}
)
_TRANSFER: Final = b"transfer-encoding"
_FORWARDED: Final = b"x-forwarded-for"


class Door:
    """The outermost middleware."""

    def __init__(self, app: ASGIApp, *, networks: Networks, metrics: Metrics, bodies: Bodies, https: bool) -> None:
        """Wrap `app`."""
        self.app = app
        self.networks = networks
        self.metrics = metrics
        self.bodies = bodies
        self.https = https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        await _Passage(self, scope).serve(receive, send)


class _Passage:
    def __init__(self, door: Door, scope: Scope) -> None:
        peer = scope["client"][0] if scope.get("client") else ""
        self.door = door
        self.scope = scope
        self.request_id = new_id()
        forwarded, self.ambiguous = _read(scope)
        self.address, self.client = door.networks.came_from(peer, forwarded)
        self.status = 0
        state: MutableMapping[str, Any] = scope.setdefault("state", {})
        state.update(request_id=self.request_id, client=self.client, address=self.address)

    async def serve(self, receive: Receive, send: Send) -> None:
        began = time.monotonic()

        async def out(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                self.dress(MutableHeaders(scope=message))
            await send(message)

        error: BaseException | None = None
        app = answer(AmbiguousRequest(), self.request_id) if self.ambiguous else self.door.app
        try:
            await app(self.scope, receive, out)
        except ClientDisconnect:
            self.status = self.status or GONE
        except Exception as raised:
            error = raised
            if self.status:
                # The answer has begun; the only honest end left is to break the connection.
                raise
            await answer(known(raised), self.request_id)(self.scope, receive, out)
        finally:
            self.door.bodies.release(self.scope["state"].get(HELD, 0))
            self.note(time.monotonic() - began, error or self.scope["state"].get(FAILURE))

    def dress(self, headers: MutableHeaders) -> None:
        headers["Request-Id"] = self.request_id
        for name, value in HEADERS.items():
            headers.setdefault(name, value)
        if self.door.https:
            headers.setdefault("Strict-Transport-Security", _HSTS)

    def note(self, seconds: float, error: BaseException | None) -> None:
        route = getattr(self.scope.get("route"), "path", UNMATCHED)
        method = self.scope["method"] if self.scope["method"] in {"GET", "POST", "DELETE", "HEAD", "PUT", "PATCH", "OPTIONS"} else "other"
        self.door.metrics.answered(method, route, self.status, seconds)
        members = {
            "request_id": self.request_id,
            "method": method,
            "route": route,
            "status": self.status,
            "duration_ms": round(seconds * 1000, 1),
            "client": self.client,
        }
        if error is None:
            log().info("http.request", **members)
        else:
            log().error("http.failed", error=code_of(error), exc_info=error, **members)


def _read(scope: Scope) -> tuple[str, bool]:
    """(all lines of `X-Forwarded-For` in their order, joined; whether the request could be read in two ways).

    A proxy may add its hop as another line as well as to the last one. A length beside a transfer coding is how requests are smuggled
    past a proxy (RFC 9112, section 6.1). Of a parameter that is there twice one reader takes the first, another the last.
    """
    forwarded: list[bytes] = []
    seen: set[bytes] = set()
    twice = False
    for name, value in scope["headers"]:
        if name == _FORWARDED:
            forwarded.append(value)
        elif name in _ONCE or name == _TRANSFER:
            twice = twice or name in seen
            seen.add(name)
    if _TRANSFER in seen:
        twice = twice or b"content-length" in seen or scope["http_version"] == "1.0"
    if b"&" in scope["query_string"]:
        names = [name for name, _ in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)]
        twice = twice or len(set(names)) != len(names)
    return b",".join(forwarded).decode("latin-1"), twice


def known(error: Exception) -> ArchiveError:
    """An exception no act meant for the caller, as one that may be told: the database away, or nothing at all."""
    if isinstance(error, ArchiveError):
        return error
    away = isinstance(error, PoolTimeout) or (isinstance(error, DBAPIError) and error.connection_invalidated)
    if away or isinstance(error, OperationalError):
        return StorageUnavailable()
    return ArchiveError()
