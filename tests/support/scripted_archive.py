"""A server that speaks HTTP badly on purpose: it cuts connections, is slow, asks to wait, lies. What answers well is the real service."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID, uuid4

from signed_log import SigningKey, leaf, mth
from tlog.merkle import inclusion_path

FONDS = "F001"


@dataclass(frozen=True)
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.body.splitlines()]


class Answering:
    """One request being answered, in whatever way the play likes."""

    def __init__(self, handler: BaseHTTPRequestHandler, archive: ScriptedArchive) -> None:
        self.handler, self.archive = handler, archive

    def read(self) -> Seen:
        handler = self.handler
        body = handler.rfile.read(int(handler.headers.get("Content-Length", "0")))
        seen = Seen(handler.command, handler.path, {name.lower(): value for name, value in handler.headers.items()}, body)
        with self.archive.lock:
            self.archive.seen.append(seen)
        return seen

    def send(self, status: int, body: object = b"", *, kind: str = "application/json", **headers: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        self.head(status, kind, content_length=str(len(data)), **headers)
        self.handler.wfile.write(data)

    def head(self, status: int, kind: str, **headers: str) -> None:
        self.handler.send_response(status)
        self.handler.send_header("Content-Type", kind)
        for name, value in headers.items():
            self.handler.send_header(name.replace("_", "-"), value)
        self.handler.end_headers()

    def write(self, *lines: object) -> None:
        """Lines of a stream whose end is the connection's end."""
        for line in lines:
            self.handler.wfile.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
        self.handler.wfile.flush()

    def finish(self) -> None:
        self.handler.close_connection = True

    def cut(self) -> None:
        """Reset the connection, as a host that lost its power or a broken network does."""
        self.handler.close_connection = True
        self.handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with suppress(OSError):
            self.handler.wfile.flush()
        self.handler.connection.close()


Play = Callable[[Answering], None]


@dataclass
class ScriptedArchive:
    """Plays its script, one play a request, then deposits well. The token endpoint has a script of its own."""

    url: str = ""
    script: list[Play] = field(default_factory=list)
    tokens: list[Play] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    entries: list[bytes] = field(default_factory=list)
    signer: SigningKey = field(default_factory=lambda: SigningKey.from_seed(f"archive.example/{FONDS}", 3))
    token_seconds: int = 3600
    lock: threading.Lock = field(default_factory=threading.Lock)
    deposited: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def asked(self, path: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.path == path]

    # -------------------------------------------------------------------------------- what a good answer would have been

    def receipt(self, case: dict[str, Any]) -> dict[str, Any]:
        """Take a case in: the same number has the same receipt."""
        with self.lock:
            known = self.deposited.get((case["source_system"], case["case_no"]))
            if known is not None:
                return known | {"status": "same"}
            entry_id, case_id, index = new_id(), new_id(), len(self.entries)
            entry = {
                "v": 1,
                "id": entry_id,
                "fonds": FONDS,
                "kind": "case.deposited",
                "object": {"kind": "case", "id": case_id, "version": 1},
                "data": {"source_system": case["source_system"], "digest": f"{index:064x}"},
            }
            self.entries.append(json.dumps(entry, sort_keys=True, separators=(",", ":")).encode())
            made = {
                "case_id": case_id,
                "version": 1,
                "status": "created",
                "fonds": FONDS,
                "source_system": case["source_system"],
                "case_no": case["case_no"],
                "log": {"origin": self.signer.name, "index": index, "entry_id": entry_id},
                "digest": {"algorithm": "hmac-sha256", "value": f"{index:064x}"},
                "received_at": "2026-03-18T04:00:00.000Z",
                "proof_url": f"/v1/receipts/{entry_id}/proof",
            }
            self.deposited[case["source_system"], case["case_no"]] = made
            return made

    def proof(self, index: int, *, signer: SigningKey | None = None, extra: bytes | None = None) -> bytes:
        leaves = [leaf(entry) for entry in self.entries]
        path = inclusion_path(index, len(leaves), lambda height, at: mth(leaves[at << height : (at + 1) << height]))
        carried = self.entries[index] if extra is None else extra
        lines = ["c2sp.org/tlog-proof@v1", f"extra {b64encode(carried).decode()}", f"index {index}"]
        lines += [b64encode(hash_).decode() for hash_ in path]
        return "\n".join(lines).encode() + b"\n\n" + (signer or self.signer).checkpoint(leaves)

    # -------------------------------------------------------------------------------- answering

    def answer(self, answering: Answering) -> None:
        if answering.handler.path == "/v1/token":
            (self.tokens.pop(0) if self.tokens else give_token)(answering)
            return
        with self.lock:
            play = self.script.pop(0) if self.script else None
        (play or behave)(answering)


def give_token(answering: Answering) -> None:
    answering.read()
    token = {"access_token": f"token-{uuid4().hex}", "token_type": "Bearer", "expires_in": answering.archive.token_seconds}
    answering.send(200, token)


def behave(answering: Answering) -> None:
    seen = answering.read()
    archive = answering.archive
    if seen.path == "/v1/cases":
        receipt = archive.receipt(seen.json())
        answering.send(201 if receipt["status"] == "created" else 200, receipt)
    elif seen.path == "/v1/cases:batch":
        answering.head(200, "application/x-ndjson", connection="close")
        lines = [line_answer(archive, at, case) for at, case in enumerate(seen.lines(), 1)]
        answering.write(*lines, {"done": True, "lines": len(lines), "created": len(lines), "same": 0, "refused": 0})
        answering.finish()
    elif seen.path.endswith("/proof"):
        index = next(r["log"]["index"] for r in archive.deposited.values() if r["proof_url"] == seen.path)
        answering.send(200, archive.proof(index), kind="text/plain; charset=utf-8")
    else:
        answering.send(404, problem(404, "not-found"), kind="application/problem+json")


def line_answer(archive: ScriptedArchive, at: int, case: dict[str, Any]) -> dict[str, Any]:
    receipt = archive.receipt(case)
    return {"line": at, "status": 201 if receipt["status"] == "created" else 200, "receipt": receipt}


def refuse(status: int, code: str, **headers: str) -> Play:
    def play(answering: Answering) -> None:
        answering.read()
        answering.send(status, problem(status, code), kind="application/problem+json", **headers)

    return play


def problem(status: int, code: str, **more: object) -> dict[str, Any]:
    texts = {"title": "Refused", "title_zh": "未受理", "detail": "Not now.", "detail_zh": "暂不受理。"}
    return {"type": "about:blank", "status": status, "code": code, "request_id": new_id(), **texts, **more}


def cut_before_reading(answering: Answering) -> None:
    answering.cut()


def act_then_cut(answering: Answering) -> None:
    """The worst of all: the case is archived, the answer never arrives."""
    seen = answering.read()
    for case in seen.lines():
        answering.archive.receipt(case)
    answering.cut()


def stall(seconds: float) -> Play:
    def play(answering: Answering) -> None:
        answering.read()
        time.sleep(seconds)
        answering.cut()

    return play


def new_id() -> str:
    return str(UUID(int=uuid4().int & ~(0xF << 76) | 0x7 << 76))


@contextmanager
def scripted_archive(tls: ssl.SSLContext | None = None) -> Iterator[ScriptedArchive]:
    """Serve on this machine, over TLS where a context is given."""
    archive = ScriptedArchive()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_POST(self) -> None:
            with suppress(OSError):
                archive.answer(Answering(self, archive))

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, *_: object) -> None:
            """A connection cut on purpose is no news."""

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    archive.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield archive
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
