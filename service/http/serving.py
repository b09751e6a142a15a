"""Serving: uvicorn with the settings this archive needs, and an orderly end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn

from service.house import House
from service.http.app import create_app
from service.logs import log

# After SIGTERM, requests that run may finish for this long; what they committed is committed either way.
GRACE_SECONDS = 20


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
    config = uvicorn.Config(
        create_app(house),
        host=host,
        port=port,
        loop="asyncio",
        http="h11",
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


def serve(house: House, *, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT, then return; the caller closes the house."""
    log().info("service.started", address=host, port=port, archive=house.archive_id)
    server_of(house, host=host, port=port).run()
    log().info("service.stopped")
