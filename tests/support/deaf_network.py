"""A network that carries every request and loses the first answers to some: the archive has acted, and nobody hears of it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


class DeafNetwork:
    """Loses `left` answers to requests that have one of `words` in them; `lost` counts those it has lost."""

    def __init__(self, target: str, words: tuple[bytes, ...], left: int) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "", parts.port or 80)
        self._words = words
        self._guard = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.left, self.lost = left, 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                asked = bytearray()
                threading.Thread(target=self._carry, args=(client, server, asked), daemon=True).start()
                threading.Thread(target=self._answer, args=(server, client, asked), daemon=True).start()

    def _carry(self, client: socket.socket, server: socket.socket, asked: bytearray) -> None:
        with suppress(OSError):
            while block := client.recv(65536):
                asked += block
                server.sendall(block)
        with suppress(OSError):
            server.shutdown(socket.SHUT_WR)

    def _answer(self, server: socket.socket, client: socket.socket, asked: bytearray) -> None:
        with suppress(OSError):
            while block := server.recv(65536):
                # The first byte of an answer is there, so the act is durable.
                if self._loses(bytes(asked)):
                    break
                asked.clear()
                client.sendall(block)
        for end in (client, server):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _loses(self, asked: bytes) -> bool:
        with self._guard:
            if not self.left or not any(word in asked for word in self._words):
                return False
            self.left -= 1
            self.lost += 1
            return True


@contextmanager
def deaf_network(target: str, *words: bytes, left: int) -> Iterator[DeafNetwork]:
    network = DeafNetwork(target, words, left)
    try:
        yield network
    finally:
        network.close()
