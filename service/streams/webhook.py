"""Webhooks as Standard Webhooks 1.0.0 has them: a batch a request, signed, taken when answered 2xx, and never sent anywhere else.

No redirect is followed, no proxy of the environment is asked, and nothing of an answer is used but its status and `Retry-After`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import socket
from typing import Any, Final

from foundation.clock import Clock, to_ms
from reviews.copies_forms import entry_object
from reviews.copies_ocsf import ocsf
from reviews.copies_rows import compact
from service.streams.batches import Batch
from service.streams.config import Stream
from service.streams.errors import DeliveryFailed
from service.streams.sockets import Line

SECONDS: Final = 30.0
_LONGEST_WAIT: Final = 3600
_LARGEST_HEAD: Final = 64 * 1024
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: |\r\n|$)")
_RETRY_AFTER: Final = re.compile(rb"\r\nretry-after:[ \t]*([0-9]{1,9})[ \t]*(?:\r\n|$)", re.IGNORECASE)


def signatures(secrets: tuple[bytes, ...], message_id: str, timestamp: int, body: bytes) -> str:
    """`v1,<base64>` of HMAC-SHA256 over id, timestamp and body, one for each secret, by space."""
    signed = b"%b.%d.%b" % (message_id.encode("ascii"), timestamp, body)
    return " ".join(f"v1,{base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode('ascii')}" for secret in secrets)


def payload(batch: Batch, form: str) -> bytes:
    """The body: `type`, `timestamp` (that of the last entry, so that a batch sent again is the same bytes) and `data`."""
    entries = [ocsf(row) if form == "ocsf" else entry_object(row) for row in batch.rows]
    data: dict[str, Any] = {"checkpoint": batch.checkpoint.decode(), "entries": entries, "first": batch.rows[0].index, "fonds": batch.fonds}
    return compact({"data": data, "timestamp": batch.rows[-1].text("time"), "type": "log.entries"}).encode("ascii")


class WebhookReceiver:
    """A receiver of POST requests."""

    def __init__(self, stream: Stream, clock: Clock, *, seconds: float = SECONDS) -> None:
        """Nothing is sent yet."""
        self._stream = stream
        self._clock = clock
        self._line = Line(stream, seconds=seconds)

    def deliver(self, batch: Batch) -> None:
        """Send the batch and have it answered 2xx; DeliveryFailed."""
        body = payload(batch, self._stream.form)
        # The same bytes are the same message, whoever sends them again; other bytes are another.
        message_id = f"msg_{hashlib.sha256(body).hexdigest()[:32]}"
        timestamp = to_ms(self._clock.now()) // 1000
        headers = {
            "Host": _host_of(self._stream),
            "Connection": "close",
            "Content-Length": str(len(body)),
            "Content-Type": "application/json",
            "User-Agent": "petition-archive",
            "webhook-id": message_id,
            "webhook-signature": signatures(self._stream.secrets, message_id, timestamp, body),
            "webhook-timestamp": str(timestamp),
        }
        lines = [f"POST {self._stream.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        with self._line.connected() as opened:
            opened.sendall("\r\n".join(lines).encode("ascii") + body)
            status, wait = _answer(opened)
        if not 200 <= status < 300:
            raise DeliveryFailed(f"status-{status}", wait=wait)

    def break_off(self) -> None:
        """End a delivery that is going on."""
        self._line.break_off()


def _answer(opened: socket.socket) -> tuple[int, float]:
    """Status and seconds of `Retry-After` of the first answer that is final; its head must be there to its end. The body is not read."""
    read = b""
    while True:
        head, end, rest = read.partition(b"\r\n\r\n")
        if end:
            found = _STATUS.match(head)
            if found is None:
                raise DeliveryFailed("no-http")
            status = int(found[1])
            if status >= 200:
                said = _RETRY_AFTER.search(head)
                return status, float(min(int(said[1]), _LONGEST_WAIT)) if said is not None else 0.0
            read = rest
        elif len(read) > _LARGEST_HEAD:
            raise DeliveryFailed("no-http")
        elif chunk := opened.recv(4096):
            read += chunk
        else:
            raise DeliveryFailed("no-answer")


def _host_of(stream: Stream) -> str:
    host = f"[{stream.host}]" if ":" in stream.host else stream.host
    return host if stream.port == (443 if stream.tls else 80) else f"{host}:{stream.port}"
