"""The page behind the archive's own door, against what that door costs by itself: real uvicorn on loopback, one kept connection.

Nothing of the service is left out: its middleware, bearer token, session row, strict JSON, answers, metrics, log lines. Two routes do
nothing behind it: `/healthz`, which needs no session, and `/v1/nothing`, added here alone, which makes the caller of the session
as every act's route does and answers at once.
"""

from __future__ import annotations

import http.client
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import insert, update
from starlette.responses import JSONResponse, Response

from auth.sessions import bearer_of, by_id
from auth.tables import accounts, totp_factors
from bench.pages import SIZE, go_unsynced
from bench.rounds import Times, race
from bench.world import FONDS, World
from foundation.clock import to_ms
from foundation.uow import Unit
from office.founding import found_archive
from service import logs
from service.house import House
from service.http.identity import Who
from service.http.serving import server_of
from service.wiring import Settings, open_archive

ALIVE, SIGNED_IN, PAGE = "unauthenticated no-op", "signed-in no-op", "page route without fsync"
_REQUESTS = 60


def measure(world: World, rounds: int, say: Callable[[str], None]) -> Times:
    """Race the routes; a sample is the median of 60 requests."""
    with _house(world) as house, _served(house) as port:
        door = _Door(port, _token(world, house))
        try:
            return race(
                {
                    ALIVE: lambda _: door.median("GET", "/healthz"),
                    SIGNED_IN: lambda _: door.median("GET", "/v1/nothing"),
                    PAGE: lambda _: door.median("POST", "/v1/cases:find", {"limit": SIZE}),
                },
                rounds,
                say,
            )
        finally:
            door.connection.close()


@contextmanager
def _house(world: World) -> Iterator[House]:
    """The measured archive opened a second time, as a process that serves it opens it, but without fsync: never to be served to anybody."""
    found_archive(world.desk)
    settings = Settings(
        home=world.folder,
        database_url=SecretStr(world.desk.db.url.render_as_string(hide_password=False)),
        key_ring_credential=world.folder / "keys" / "credential",
    )
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        logs.configure("info", nowhere)
        house = open_archive(settings, purpose="read")
        go_unsynced(house.desk.db)
        try:
            yield house
        finally:
            house.close()


@contextmanager
def _served(house: House) -> Iterator[int]:
    server = server_of(house, host="127.0.0.1", port=0)
    app: FastAPI = server.config.app  # type: ignore[assignment]  # what server_of made

    @app.get("/v1/nothing")
    def nothing(who: Who) -> Response:
        return JSONResponse({"role": who.caller().principal.role})

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


def _token(world: World, house: House) -> str:
    """An access token of the inspector, whose account gets what a first sign-in leaves: a secret of their own and a second factor."""
    principal = world.inspector.principal
    now = to_ms(world.desk.clock.now())
    own = {"fonds": FONDS, "account_id": principal.account_id}

    def ready(unit: Unit) -> None:
        mine = (accounts.c.fonds == FONDS, accounts.c.account_id == principal.account_id)
        unit.conn.execute(update(accounts).where(*mine).values(must_change=0, secret_set_ms=now))
        unit.conn.execute(insert(totp_factors).values(**own, secret_sealed=b"x", created_ms=now, confirmed_ms=now, last_counter=-1))

    world.desk.uow.bookkeep(FONDS, ready)
    with world.desk.db.read() as conn:
        token, _ = bearer_of(house.auth, by_id(house.auth, conn, FONDS, principal.session_id))
    return token


class _Door:
    """One client with one kept connection."""

    def __init__(self, port: int, token: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.headers = {"Authorization": f"Bearer {token}"}

    def median(self, method: str, path: str, body: object = None) -> float:
        """Seconds from the first byte sent to the last one read, the median of some requests."""
        sent = None if body is None else json.dumps(body).encode()
        headers = self.headers if sent is None else self.headers | {"Content-Type": "application/json"}
        samples = []
        for _ in range(_REQUESTS):
            begun = time.perf_counter()
            self.connection.request(method, path, sent, headers)
            answer = self.connection.getresponse()
            answer.read()
            samples.append(time.perf_counter() - begun)
            assert answer.status == 200
        return median(samples)
