"""Both clients of the sdk behind one face, so that each promise is tested of both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from petition_archive_client.aio import AsyncArchiveClient
from petition_archive_client.answers import Receipt
from petition_archive_client.assertion import ClientKey
from petition_archive_client.batches import LineAnswer
from petition_archive_client.client import ArchiveClient
from petition_archive_client.connection import Retries, Timeouts

KEY = ClientKey.generate()
CLIENT = "F001.01890000-0000-7000-8000-000000000001"
HASTY = Retries(attempts=4, first=0.001, longest=0.002, patience=3.0)


class Door:
    """The acts of a client, done with the sync or the async one."""

    def __init__(self, kind: str, url: str, **options: Any) -> None:
        self.kind = kind
        usual: dict[str, Any] = {"client": CLIENT, "key": KEY, "retries": HASTY, "timeouts": Timeouts(2.0, 5.0, 10.0)}
        self.options = usual | options
        self.url = url
        self._sync = ArchiveClient(url, **self.options) if kind == "sync" else None

    def do(self, act: str, *args: Any, **kwargs: Any) -> Any:
        if self._sync is not None:
            return getattr(self._sync, act)(*args, **kwargs)

        async def run() -> Any:
            async with AsyncArchiveClient(self.url, **self.options) as client:
                return await getattr(client, act)(*args, **kwargs)

        return asyncio.run(run())

    def deposit(self, case: dict[str, Any], **kwargs: Any) -> Receipt:
        receipt: Receipt = self.do("deposit", case, **kwargs)
        return receipt

    def deposit_many(self, cases: Iterable[dict[str, Any]], each: Callable[[LineAnswer], None] = lambda _: None) -> list[LineAnswer]:
        answers: list[LineAnswer] = []
        if self._sync is not None:
            for answer in self._sync.deposit_many(cases):
                answers.append(answer)
                each(answer)
            return answers

        async def run() -> None:
            async with AsyncArchiveClient(self.url, **self.options) as client:
                async for answer in client.deposit_many(cases):
                    answers.append(answer)
                    each(answer)

        asyncio.run(run())
        return answers

    def close(self) -> None:
        if self._sync is not None:
            self._sync.close()
