"""Connections: uvicorn's, with a deadline for everything a client may keep waiting, and a place for only so many of them.

uvicorn ends a connection that stays silent between two requests, and no other: a head that is never finished, a body nobody reads, an
answer that is never fetched would each hold a descriptor for ever. Bodies that are read have deadlines where they are read
(`service.http.strict`, `service.http.batches`), because only there is it known whether the client or the archive is the slower one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from auth.lockout import network_of
from foundation.ids import new_id
from service.house import Networks, plain_address
from service.http.errors import BadRequest
from service.http.metrics import Metrics
from service.http.middleware import HEADERS
from service.http.problems import answer

# A request's head is whole this long after its first byte, or after the connection was made; as long may a refused body go on.
HEAD_SECONDS: Final = 10.0
# A client that fetches nothing of its answer and sends nothing either has gone.
STALL_SECONDS: Final = 30.0


class Places:
    """The places for connections of one server: so many in all, so many of one address (IPv6: one /64) that is no trusted proxy's."""

    def __init__(self, *, clients: int, clients_per_address: int, networks: Networks, metrics: Metrics) -> None:
        """All free. What is ended is counted: `no-place`, `made-room`, `late`, `stalled`."""
        self._clients = clients
        self._per_address = clients_per_address
        self._networks = networks
        self._ended = metrics.ended
        self._open: dict[Connection, str] = {}
        self._of: dict[str, int] = {}
        # Those between requests, the longest waiting first.
        self._idle: dict[Connection, None] = {}

    def enter(self, connection: Connection, address: str) -> bool:
        """A place for a new connection, at need that of the one that has waited longest; False when all of them are at work."""
        network = network_of(address)
        if self._of.get(network, 0) >= self._per_address and not self._networks.trusts(address):
            fitting = next((one for one in self._idle if self._open[one] == network), None)
        elif len(self._open) >= self._clients:
            fitting = next(iter(self._idle), None)
        else:
            self._put(connection, network)
            return True
        if fitting is None:
            self.ended("no-place")
            return False
        self.leave(fitting)
        self.ended("made-room")
        fitting.transport.abort()
        self._put(connection, network)
        return True

    def leave(self, connection: Connection) -> None:
        """The connection's place is free; a second call does nothing."""
        network = self._open.pop(connection, None)
        self._idle.pop(connection, None)
        if network is not None:
            self._of[network] -= 1
            if not self._of[network]:
                del self._of[network]

    def idle(self, connection: Connection, *, is_idle: bool) -> None:
        """Whether it is between requests."""
        if not is_idle:
            self._idle.pop(connection, None)
        elif connection in self._open:
            self._idle.setdefault(connection)

    def ended(self, why: str) -> None:
        """Count a connection that is ended."""
        self._ended.labels(why).inc()

    def _put(self, connection: Connection, network: str) -> None:
        self._open[connection] = network
        self._of[network] = self._of.get(network, 0) + 1
        self._idle[connection] = None


class Connection(H11Protocol):
    """One connection. Made by uvicorn, so its server's places are its class's: see `connections_of`."""

    places: ClassVar[Places]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """As uvicorn makes it."""
        super().__init__(*args, **kwargs)
        self._wait = _Timer(self.loop, HEAD_SECONDS, self._too_late)
        self._stall = _Timer(self.loop, STALL_SECONDS, self._stalled)
        # Bytes of answers that were not fetched when a timer was last started, and whether anything came since the second was.
        self._left = self._stall_left = 0
        self._heard = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Give it a place, or end it."""
        super().connection_made(transport)
        peer = self.client[0] if self.client else ""
        if self.places.enter(self, plain_address(peer) or peer):
            self._wait.start()
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Free its place."""
        self.places.leave(self)
        self._wait.stop()
        self._stall.stop()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take in what came."""
        self._heard = True
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        super().on_response_complete()
        self._watch()

    def timeout_keep_alive_handler(self) -> None:
        """Silent between two requests: end it, but not while it is still fetching its answer."""
        if self.transport.get_write_buffer_size():
            self._left = 0
            self._wait.start()
        else:
            super().timeout_keep_alive_handler()

    def pause_writing(self) -> None:
        """The client does not fetch what it is sent."""
        super().pause_writing()
        self._heard, self._stall_left = False, self.transport.get_write_buffer_size()
        self._stall.start()

    def resume_writing(self) -> None:
        """It does again."""
        super().resume_writing()
        self._stall.stop()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  uvicorn's words, which are not for clients
        """What is not HTTP is answered like every other mistake, where an answer has not begun, and the connection ends."""
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            request_id = new_id()
            response = answer(BadRequest(), request_id)
            headers = [*response.headers.items(), *HEADERS.items(), ("Request-Id", request_id), ("Connection", "close")]
            for event in (
                h11.Response(status_code=response.status_code, headers=headers, reason=b"Bad Request"),
                h11.Data(data=bytes(response.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _watch(self) -> None:
        """Start or stop the deadline of a head, and of a body that goes on after its answer."""
        # There is no cycle before the first request, whatever uvicorn's type says.
        serving = bool(self.cycle) and not self.cycle.response_complete
        self.places.idle(self, is_idle=not serving)
        if serving:
            self._wait.stop()
        elif not self._wait.running and self.timeout_keep_alive_task is None:
            self._left = 0
            self._wait.start()

    def _too_late(self) -> None:
        left = self.transport.get_write_buffer_size()
        if left and (not self._left or left < self._left):
            # Its answer is still on the way, and being fetched.
            self._left = left
            self._wait.start()
            return
        self.places.ended("late")
        if left:
            self.transport.abort()
        else:
            self.transport.close()

    def _stalled(self) -> None:
        left = self.transport.get_write_buffer_size()
        if not self._heard and left >= self._stall_left:
            self.places.ended("stalled")
            self.transport.abort()
            return
        self._heard, self._stall_left = False, left
        self._stall.start()


class _Timer:
    """Does something once, some seconds after it was started."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, act: Callable[[], None]) -> None:
        self._loop, self._seconds, self._act = loop, seconds, act
        self._handle: asyncio.TimerHandle | None = None

    @property
    def running(self) -> bool:
        return self._handle is not None

    def start(self) -> None:
        """A timer that runs goes on as it does."""
        if self._handle is None:
            self._handle = self._loop.call_later(self._seconds, self._fire)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _fire(self) -> None:
        self._handle = None
        self._act()


def connections_of(places: Places) -> type[Connection]:
    """The class of one server's connections."""

    class Served(Connection):
        """A connection of that server."""

    Served.places = places
    return Served
