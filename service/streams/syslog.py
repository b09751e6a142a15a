"""Syslog over TLS: messages of RFC 5424, framed by counted octets (RFC 5425, section 4.3), a connection a batch.

Syslog has no acknowledgement. What stands for one is the end of the connection: our close_notify comes after the last message, so that a
receiver which then closes in order has read them all; its close_notify cannot be forged on the way. A connection that ends in any other
manner, or in which anything was not taken in, delivered nothing: the whole batch is sent again.
"""

from __future__ import annotations

import fcntl
import socket
import ssl
import struct
import termios
import time
from collections.abc import Callable, Mapping
from typing import Final

from reviews.copies_cef import cef
from reviews.copies_forms import ndjson_text, ocsf_text
from reviews.copies_rows import Row
from service.streams.batches import Batch
from service.streams.config import Stream
from service.streams.errors import DeliveryFailed
from service.streams.sockets import Line

SECONDS: Final = 60.0
APP_NAME: Final = "petition-archive"
# Facility 13, log audit; severities 4 and 6, warning and informational (RFC 5424, section 6.2.1).
_FACILITY, _REFUSED, _OTHER = 13, 4, 6
_TEXTS: Final[Mapping[str, Callable[[Row], str]]] = {"cef": cef, "ocsf": ocsf_text, "ndjson": ndjson_text}
_PAUSE: Final = 0.01


def message(row: Row, form: str, hostname: str) -> bytes:
    """`<PRI>1 TIMESTAMP HOSTNAME APP-NAME - MSGID - MSG`, all ASCII: the kind is the MSGID, the time that of the entry."""
    priority = _FACILITY * 8 + (_REFUSED if row.text("verdict") == "refuse" else _OTHER)
    head = f"<{priority}>1 {row.text('time')} {hostname} {APP_NAME} - {row.kind[:32]} -"
    return f"{head} {_TEXTS[form](row)}".encode("ascii")


def framed(one: bytes) -> bytes:
    """`MSG-LEN SP SYSLOG-MSG`."""
    return b"%d %b" % (len(one), one)


class SyslogReceiver:
    """A receiver of RFC 5425."""

    def __init__(self, stream: Stream, hostname: str, *, seconds: float = SECONDS) -> None:
        """`hostname`: what messages name as their origin, the archive's name."""
        self._stream = stream
        self._hostname = "".join(one if "!" <= one <= "~" else "-" for one in hostname)[:255] or "-"
        self._seconds = seconds
        self._line = Line(stream, seconds=seconds)

    def deliver(self, batch: Batch) -> None:
        """Send the batch over a connection of its own and see it end in order; DeliveryFailed."""
        frames = b"".join(framed(message(row, self._stream.form, self._hostname)) for row in batch.rows)
        with self._line.connected() as opened:
            if not isinstance(opened, ssl.SSLSocket):
                raise DeliveryFailed("no-tls")
            opened.sendall(frames)
            with socket.socket(fileno=socket.dup(opened.fileno())) as under:
                self._close(opened)
                _taken_in(under, self._seconds)

    def break_off(self) -> None:
        """End a delivery that is going on."""
        self._line.break_off()

    def _close(self, opened: ssl.SSLSocket) -> None:
        """Say that this was all, and hear the same."""
        try:
            opened.unwrap()
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            if self._stream.strict:
                raise DeliveryFailed("not-closed-in-order") from None


def _taken_in(under: socket.socket, seconds: float) -> None:
    """Wait until the connection has ended in order and every octet was taken in: a receiver that leaves some unread resets it."""
    until = time.monotonic() + seconds
    under.settimeout(seconds)
    under.shutdown(socket.SHUT_WR)
    while under.recv(4096):
        if time.monotonic() > until:
            raise DeliveryFailed("timed-out")
    while True:
        unsent: int = struct.unpack("i", fcntl.ioctl(under, termios.TIOCOUTQ, b"\0\0\0\0"))[0]
        if under.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise DeliveryFailed("connection-reset")
        if unsent == 0:
            return
        if time.monotonic() > until:
            raise DeliveryFailed("timed-out")
        time.sleep(_PAUSE)
