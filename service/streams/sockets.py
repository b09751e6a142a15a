"""Connections of streams: opened, spoken over and closed before a deadline, whatever the other side does or leaves undone."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from typing import Final

from service.streams.config import Stream
from service.streams.errors import DeliveryFailed

_CONNECTING: Final = 10.0


class Line:
    """The way to one receiver, used by one thread. `break_off` ends what is going on there, from any thread."""

    def __init__(self, stream: Stream, *, seconds: float) -> None:
        """`seconds`: how long a whole exchange may take once the connection stands."""
        self.stream = stream
        self._seconds = seconds
        self._guard = threading.Lock()
        self._open: socket.socket | None = None
        self._ended = False

    @contextmanager
    def connected(self) -> Iterator[socket.socket]:
        """A socket to the receiver, whose certificate holds; DeliveryFailed for whatever goes wrong with it, also while it is used."""
        late = threading.Event()

        def time_up() -> None:
            late.set()
            self._shut()

        timer = threading.Timer(self._seconds, time_up)
        timer.daemon = True
        try:
            with socket.create_connection((self.stream.host, self.stream.port), timeout=_CONNECTING) as plain:
                timer.start()
                plain.settimeout(self._seconds)
                with self._spoken(plain) as opened:
                    yield opened
        except (OSError, DeliveryFailed) as error:
            if late.is_set() or isinstance(error, TimeoutError):
                raise DeliveryFailed("timed-out") from None
            if isinstance(error, DeliveryFailed):
                raise
            if isinstance(error, ssl.SSLCertVerificationError):
                raise DeliveryFailed("certificate-refused") from None
            raise DeliveryFailed(f"connection-{type(error).__name__}") from None
        finally:
            timer.cancel()
            self._note(None)
        if late.is_set():
            raise DeliveryFailed("timed-out")

    def break_off(self) -> None:
        """End what is going on, and let nothing new begin."""
        self._ended = True
        self._shut()

    def _spoken(self, plain: socket.socket) -> socket.socket:
        self._note(plain)
        if self.stream.context is None:
            # The name may lead elsewhere than when it was configured.
            if not ip_address(plain.getpeername()[0]).is_loopback:
                raise DeliveryFailed("not-this-machine")
            return plain
        secure = self.stream.context.wrap_socket(
            plain, server_hostname=self.stream.host, do_handshake_on_connect=False, suppress_ragged_eofs=False
        )
        self._note(secure)
        try:
            secure.do_handshake()
        except BaseException:
            secure.close()
            raise
        return secure

    def _note(self, opened: socket.socket | None) -> None:
        with self._guard:
            self._open = opened
        if opened is not None and self._ended:
            raise DeliveryFailed("stopping")

    def _shut(self) -> None:
        with self._guard, suppress(OSError):
            if self._open is not None:
                # The socket's own: that of an SSLSocket would take the session away from the thread that is using it.
                socket.socket.shutdown(self._open, socket.SHUT_RDWR)
