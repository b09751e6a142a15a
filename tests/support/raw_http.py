"""HTTP as bytes, for what no client library would send, from any address of this machine."""

from __future__ import annotations

import json
import re
import socket
import time
from typing import Any, Self
from urllib.parse import urlsplit


class RawConnection:
    """One connection to a door; `address`: one of 127.0.0.0/8 to come from."""

    def __init__(self, url: str, address: str = "127.0.0.1", receive_buffer: int | None = None) -> None:
        place = urlsplit(url)
        self._socket = socket.socket()
        if receive_buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.settimeout(20)
        self._socket.bind((address, 0))
        self._socket.connect((place.hostname, place.port))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, *parts: bytes) -> None:
        self._socket.sendall(b"".join(parts))

    def request(self, line: str, *headers: str, body: bytes = b"") -> None:
        """A whole head, and as much of the body as is given."""
        self.send("\r\n".join((f"{line} HTTP/1.1", "Host: archive.example", *headers, "", "")).encode(), body)

    def received(self, at_least: int = 1) -> bytes:
        """What there is once so many bytes have come, or the end."""
        got = b""
        while len(got) < at_least:
            try:
                piece = self._socket.recv(65536)
            except ConnectionResetError:
                break
            if not piece:
                break
            got += piece
        return got

    def answer(self) -> bytes:
        """One answer that states its length."""
        got = b""
        while b"\r\n\r\n" not in got and (piece := self.received()):
            got += piece
        head, _, body = got.partition(b"\r\n\r\n")
        stated = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        return got + self.received(int(stated.split(b":")[1]) - len(body))

    def to_the_end(self) -> bytes:
        """Everything until the other side ends it; TimeoutError when it does not."""
        return self.received(2**31)

    def is_ended(self, within: float) -> bool:
        """Whether the other side ends the connection in that time, without anything said."""
        self._socket.settimeout(within)
        try:
            return self._socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False
        finally:
            self._socket.settimeout(20)

    def ended_while_dripping(self, within: float) -> bool:
        """Whether it is ended in that time although a byte is sent now and then."""
        until = time.monotonic() + within
        while time.monotonic() < until:
            try:
                self.send(b"x")
            except OSError:
                return True
            if self.is_ended(0.1):
                return True
        return False


def statuses(answers: bytes) -> list[int]:
    """The statuses of all answers in a stream of bytes."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", answers)]


def problem(answer: bytes) -> dict[str, Any]:
    """The body of a single answer."""
    return dict(json.loads(answer.partition(b"\r\n\r\n")[2]))
