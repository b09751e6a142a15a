"""A log that grows under load while outsiders read it: case systems deposit and handlers look, many at once, over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from log_life import signed_up_to
from small_archive import FONDS, SmallArchive
from tlog.checkpoint import Checkpoint, open_checkpoint
from tlog.merkle import consistency_path, verify_consistency
from tlog.note import VerifierKey
from tlog.tiles import TILE_WIDTH, Tile, root_from_tiles, tile_source

BATCH = 20


@contextmanager
def under_load(archive: SmallArchive, *, writers: int = 4, batches: int = 1) -> Iterator[threading.Event]:
    """Deposit one by one and in batches, and look at what was deposited, until the block ends.

    Gives what is set when a writer failed, which is raised in the end.
    """
    stop = threading.Event()
    wrong: list[BaseException] = []
    deposited: list[str] = []

    def sent(client: httpx.Client, path: str, **given: Any) -> httpx.Response:
        answer = client.post(path, **given)
        if answer.status_code == 401:  # a long run outlives a token
            with archive.as_system() as again:
                client.headers["Authorization"] = again.headers["Authorization"]
            answer = client.post(path, **given)
        return answer

    def deposit(client: httpx.Client) -> None:
        answer = sent(client, "/v1/cases", json=archive.record())
        assert answer.status_code == 201, answer.text
        deposited.append(answer.json()["case_id"])

    def batch(client: httpx.Client) -> None:
        lines = "".join(json.dumps(archive.record(), ensure_ascii=False) + "\n" for _ in range(BATCH))
        answer = sent(client, "/v1/cases:batch", content=lines.encode(), headers={"Content-Type": "application/x-ndjson"})
        assert answer.status_code == 200, answer.text
        assert answer.text.count('"status":201') == BATCH, answer.text

    def look(client: httpx.Client) -> None:
        if not deposited:
            stop.wait(0.05)
            return
        answer = client.get(f"/v1/cases/{deposited[-1]}")
        assert answer.status_code in {200, 401, 429}, answer.text
        if answer.status_code != 200:  # as much was looked at as may be, or the session has ended
            stop.wait(0.2)

    def work(client: httpx.Client, act: Callable[[httpx.Client], None]) -> None:
        try:
            with client:
                while not stop.is_set():
                    act(client)
        except BaseException as error:  # noqa: BLE001  a thread's failure is the test's
            wrong.append(error)
            stop.set()

    clients = [(archive.as_system(), deposit) for _ in range(writers)] + [(archive.as_system(), batch) for _ in range(batches)]
    clients += [(archive.as_(name), look) for name in ("handler", "handler", "inspector")]
    threads = [threading.Thread(target=work, args=given) for given in clients]
    for thread in threads:
        thread.start()
    try:
        yield stop
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    if wrong:
        raise wrong[0]


@dataclass
class Outsider:
    """Somebody who follows a log by checkpoint and tiles alone, and keeps every checkpoint seen with its note."""

    archive: SmallArchive
    key: VerifierKey
    seen: list[tuple[Checkpoint, bytes]] = field(default_factory=list)
    fetched: int = 0

    @property
    def size(self) -> int:
        return self.seen[-1][0].size if self.seen else 0

    def read(self, path: str) -> bytes:
        """A file of the log."""
        answer = self._http.get(f"{self.archive.url}/log/{FONDS}/{path}")
        assert answer.status_code == 200, (path, answer.text)
        self.fetched += 1
        return answer.content

    def look(self) -> bool:
        """Take the checkpoint of now: signed, extending the last, every tile of its own size there and leading to its root."""
        note = self.read("checkpoint")
        now = open_checkpoint(note, self.key)
        if self.seen and now == self.seen[-1][0]:
            return False
        assert now.size > self.size
        if self.seen:
            before = self.seen[-1][0]
            steps = consistency_path(before.size, now.size, tile_source(self.read, now.size))
            verify_consistency(before.size, before.root, now.size, now.root, steps)
        assert root_from_tiles(now.size, self.read) == now.root
        self.nothing_beyond(now)
        self.seen.append((now, note))
        return True

    def nothing_beyond(self, now: Checkpoint) -> None:
        """Nobody is given a hash that this checkpoint, or one after it, does not cover."""
        far = now.size // TILE_WIDTH + 1000
        assert self._http.get(f"{self.archive.url}/log/{FONDS}/{Tile(0, far, 1).path()}").status_code == 404

    def follow(self, entries: int, stopped: threading.Event) -> None:
        """Look again and again until the log has as many, or nothing is written any more."""
        while self.size < entries and not stopped.is_set():
            if not self.look():
                stopped.wait(0.02)

    def finish(self) -> None:
        """Look until everything durable has been seen."""
        size = signed_up_to(self.archive.house)
        while self.size < size:
            self.look()

    def __post_init__(self) -> None:
        self._http = httpx.Client(timeout=60)
