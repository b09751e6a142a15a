"""`serve`, and a service inside this process for the demonstration and the tour."""

from __future__ import annotations

import errno
import os
import socket
import threading
from typing import Annotated

import typer

from service import logs
from service.cli.terminal import CommandFailed, installation, say, warn_of_exposure
from service.house import House
from service.wiring import open_archive

_STARTING_SECONDS = 30.0


def serve(
    host: Annotated[str | None, typer.Option(help="监听地址 / address to listen on; default: ARCHIVE_HOST or 127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="端口 / port; default: ARCHIVE_PORT or 8700")] = None,
) -> None:
    """启动服务。 Serve the archive.

    一个进程。SQLite 数据库同时只许一个进程使用，第二个会被拒绝；需要多个进程时请用 PostgreSQL。TLS 由前置代理终结，见 docs/operations.md。

    One process. On SQLite a second one is refused; use PostgreSQL for several. TLS ends in front of it, see docs/operations.md.
    """
    from service.http.serving import serve as serve_house

    settings = installation()
    house = open_archive(settings)
    try:
        warn_of_exposure(settings)
        logs.configure(settings.log_level)
        serve_house(house, host=host or settings.host, port=settings.port if port is None else port)
    finally:
        house.close()


class Running:
    """The service on a thread of its own over a socket that is bound already, so that its address is known before it starts."""

    def __init__(self, house: House, listening: socket.socket) -> None:
        """Start, and return once requests are answered; CommandFailed when it does not come up. Takes the house over."""
        from service.http.serving import server_of

        host, port = listening.getsockname()[:2]
        self._house = house
        self._server = server_of(house, host=host, port=port)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [listening]}, name="service", daemon=True)
        self._thread.start()
        waiting = threading.Event()
        for _ in range(int(_STARTING_SECONDS / 0.05)):
            if self._server.started or not self._thread.is_alive():
                break
            waiting.wait(0.05)
        if not self._server.started:
            self.stop()
            raise CommandFailed("服务未能启动。", "The service did not start.")

    def wait(self) -> None:
        """Serve until the process is interrupted (KeyboardInterrupt)."""
        while self._thread.is_alive():
            self._thread.join(1.0)

    def stop(self) -> None:
        """Switch the service off: answer what was asked, publish the log once more, let go of the database."""
        self._server.should_exit = True
        self._thread.join()
        self._house.close()


class PortTaken(CommandFailed):
    """Another program listens there."""


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to the address (port 0: any free one). PortTaken, or CommandFailed where the system refuses it."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(128)
    except OSError as failed:
        bound.close()
        if failed.errno == errno.EADDRINUSE:
            raise PortTaken(
                f"{host}:{port} 已被占用；请先停止那里的程序，或用 --port 换一个端口。",
                f"{host}:{port} is in use; stop what is there, or give --port.",
            ) from None
        why = os.strerror(failed.errno or 0)
        raise CommandFailed(
            f"系统不允许在 {host}:{port} 监听（{why}）；请换一个地址或端口。",
            f"The system refuses to listen on {host}:{port} ({why}); give another address or port.",
        ) from None
    return bound


def announce(url: str) -> None:
    """Say where it is served."""
    say(f"服务地址：{url}（Ctrl+C 停止）", f"Serving on {url}; Ctrl+C stops it.")
