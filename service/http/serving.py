"""Serving: uvicorn with the settings this archive needs, and an orderly end."""

from __future__ import annotations

import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn

from service.house import House
from service.http.app import create_app
from service.http.connections import Places, connections_of
from service.logs import log

# After SIGTERM, requests that run may finish for this long; what they committed is committed either way.
GRACE_SECONDS = 20
# Descriptors that are no client's: the database's connections, the crew's sockets, files of the moment.
_OWN_DESCRIPTORS = 400


class Server(uvicorn.Server):
    """uvicorn's server, but a signal ends it with success: it was asked to end, and did."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Listen for SIGTERM and SIGINT while serving; uvicorn's own would raise them again afterwards."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._asked_to_end) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _asked_to_end(self, number: int, _frame: FrameType | None) -> None:
        # A second one does not wait for requests that are still running.
        self.force_exit = self.should_exit and number == signal.SIGINT
        self.should_exit = True


def server_of(house: House, *, host: str, port: int) -> Server:
    """A server for the house that is not running yet. Its one process owns an SQLite file, so there is no number of workers to choose."""
    app = create_app(house)
    places = Places(
        clients=min(house.limits.clients, _descriptors(house.limits.clients)),
        clients_per_address=house.limits.clients_per_address,
        networks=house.networks,
        metrics=app.state.metrics,
    )
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="asyncio",
        http=connections_of(places),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        # Which addresses are believed is decided in `service.house.Networks`, by setting.
        proxy_headers=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=GRACE_SECONDS,
        h11_max_incomplete_event_size=64 * 1024,
    )
    return Server(config)


def _descriptors(wanted: int) -> int:
    """How many of `wanted` clients this process has descriptors for; its own limit is raised to that where the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft == unlimited:
        return wanted
    needed = wanted + _OWN_DESCRIPTORS
    if soft < needed:
        soft = needed if hard == unlimited else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(soft - _OWN_DESCRIPTORS, soft // 4)


def serve(house: House, *, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT, then return; the caller closes the house."""
    log().info("service.started", address=host, port=port, archive=house.archive_id)
    server_of(house, host=host, port=port).run()
    log().info("service.stopped")
