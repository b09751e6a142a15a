"""The page behind HTTP, against a route that does nothing: one process, uvicorn on loopback, one client with one kept connection.

Both are plain synchronous routes of one bare FastAPI application, so that what is compared is the act and the writing of its answer;
the service's own doors add what every request of theirs needs (identity, limits, logging).
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from archive.finding import find
from bench.pages import SIZE, without_fsync
from bench.rounds import Times, race
from bench.world import World

NOOP, PAGE = "no-op route", "page route without fsync"
_REQUESTS = 60


def measure(world: World, rounds: int, say: Callable[[str], None]) -> Times:
    """Race both routes; a sample is the median of 60 requests."""
    with without_fsync(world) as unsynced, _served(_application(unsynced)) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            return race({NOOP: lambda _: _median(connection, "/noop"), PAGE: lambda _: _median(connection, "/page")}, rounds, say)
        finally:
            connection.close()


def _application(world: World) -> FastAPI:
    app = FastAPI()
    caller = world.inspector

    @app.get("/noop")
    def noop() -> JSONResponse:
        return JSONResponse({})

    @app.get("/page")
    def page() -> JSONResponse:
        found = find(world.desk, caller, {"limit": SIZE})
        rows = [{"case_id": row.case_id, "version": row.version, "fields": row.fields} for row in found.rows]
        return JSONResponse({"rows": rows, "total": found.total, "cursor": found.cursor, "log_index": found.log_index})

    return app


@contextmanager
def _served(app: FastAPI) -> Iterator[int]:
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not server.started:
            if time.monotonic() > deadline:
                raise RuntimeError("the server did not start")
            time.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def _median(connection: http.client.HTTPConnection, path: str) -> float:
    samples = []
    for _ in range(_REQUESTS):
        begun = time.perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        samples.append(time.perf_counter() - begun)
        assert answer.status == 200
    return median(samples)
