"""A bad network: a proxy on this machine that passes bytes on and cuts connections wherever its seed says."""

from __future__ import annotations

import random
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


class CuttingProxy:
    """`cuts` counts the connections it has reset; while `cutting` is false it behaves."""

    def __init__(self, target: str, seed: int, most_bytes: int) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "", parts.port or 80)
        self._random = random.Random(seed)
        self._most = most_bytes
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.cuts = 0
        self.cutting = True
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                # One direction is cut: the request on its way in, or the answer on its way out.
                limits = [self._random.randint(1, self._most), None]
                if self._random.random() < 0.5:
                    limits = [None, self._random.randint(1, self._most // 8)]  # answers are shorter
                for source, sink, limit in ((client, server, limits[0]), (server, client, limits[1])):
                    threading.Thread(target=self._pass_on, args=(source, sink, limit), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, limit: int | None) -> None:
        passed = 0
        with suppress(OSError):
            while block := source.recv(4096):
                passed += len(block)
                if self.cutting and limit is not None and passed > limit:
                    self.cuts += 1
                    for end in (source, sink):
                        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        end.shutdown(socket.SHUT_RDWR)
                        end.close()
                    return
                sink.sendall(block)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def cutting_proxy(target: str, seed: int, most_bytes: int) -> Iterator[CuttingProxy]:
    proxy = CuttingProxy(target, seed, most_bytes)
    try:
        yield proxy
    finally:
        proxy.close()
