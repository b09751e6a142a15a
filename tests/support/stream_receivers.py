"""Receivers of streams as they are met in the world: a syslog server over TLS and a webhook, which can be slow, deaf, lying or broken.

Both keep whatever they took, in order. `fault` is asked for each exchange, counted from 0, what to do wrong.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import ipaddress
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Fault = Callable[[int], str]
SECRET = bytes(range(24))
WHSEC = f"whsec_{base64.b64encode(SECRET).decode()}"


def sound(_exchange: int) -> str:
    return ""


@dataclass(frozen=True)
class Authority:
    """A certificate authority of one test session, and what it issued, as files."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def make(cls, folder: Path) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "example authority")])
        made = _builder(name, name, key.public_key()).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        usage = x509.KeyUsage(
            digital_signature=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        made = made.add_extension(usage, critical=True).add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
        )
        certificate = made.sign(key, hashes.SHA256())
        (folder / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return cls(folder, key, certificate)

    @property
    def file(self) -> Path:
        return self.folder / "ca.pem"

    def issue(self, name: str, *names: str) -> tuple[Path, Path]:
        """(certificate, key 0600) of somebody; `names`: the addresses and hosts it is for."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = _builder(subject, self.certificate.subject, key.public_key())
        alternatives = [x509.IPAddress(ipaddress.ip_address(one)) if one[0].isdigit() else x509.DNSName(one) for one in names or (name,)]
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False).add_extension(authority, critical=False)
        usages = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        certificate = builder.add_extension(usages, critical=False).sign(self.key, hashes.SHA256())
        files = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        plain = serialization.NoEncryption()
        files[1].touch(0o600)
        files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
        return files


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key).serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))


@dataclass
class Taken:
    """What a receiver took: the objects of its lines, in order; `exchanges` counts connections or requests."""

    lines: list[dict[str, Any]] = field(default_factory=list)
    exchanges: int = 0
    complaints: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)

    def indices(self, fonds: str) -> list[int]:
        return [line["index"] for line in self.lines if line["fonds"] == fonds]

    def wait_for(self, condition: Callable[[Taken], bool], seconds: float = 30.0) -> None:
        until = time.monotonic() + seconds
        while not condition(self):
            assert time.monotonic() < until, (self.exchanges, self.complaints[-3:], [line["index"] for line in self.lines][-10:])
            time.sleep(0.02)


class Listener:
    """A listening socket on this machine, each connection in a thread of its own."""

    def __init__(self, serve: Callable[[socket.socket, int], None]) -> None:
        self._serve = serve
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.connections = 0
        self._ended = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while not self._ended:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            number, self.connections = self.connections, self.connections + 1
            threading.Thread(target=self._one, args=(connection, number), daemon=True).start()

    def _one(self, connection: socket.socket, number: int) -> None:
        with connection, contextlib.suppress(OSError, EOFError):
            connection.settimeout(60)
            self._serve(connection, number)

    def close(self) -> None:
        self._ended = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


# ------------------------------------------------------------------------------------------------ syslog


class SyslogServer:
    """RFC 5425 as it is written: octets counted, the session closed in order after the last message.

    Faults: `close-early` (reads a little and closes in order), `close-late` (the same, after all was sent), `drop` (reads a little and
    closes without a word), `reset`, `hang` (reads nothing), `mute` (reads all and never closes), `no-notify` (reads all and closes without
    a close_notify), `slow`.
    """

    def __init__(self, certificate: tuple[Path, Path], *, client_ca: Path | None = None, fault: Fault = sound) -> None:
        self.taken = Taken()
        self.fault = fault
        self.messages: list[bytes] = []
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*certificate)
        if client_ca is not None:
            self._context.verify_mode = ssl.CERT_REQUIRED
            self._context.load_verify_locations(client_ca)
        self.listener = Listener(self._serve)

    def _serve(self, connection: socket.socket, number: int) -> None:
        self.taken.exchanges += 1
        fault = self.fault(number)
        with self._context.wrap_socket(connection, server_side=True, suppress_ragged_eofs=False) as secure:
            if fault == "hang":
                time.sleep(20)
                return
            if fault == "reset":
                secure.recv(100)
                connection_reset(secure)
                return
            if fault == "close-late":
                time.sleep(0.3)  # until all was sent and the sender waits for the end
                with contextlib.suppress(OSError):
                    secure.unwrap()
                return
            if fault in {"close-early", "drop"}:
                secure.recv(100)
                if fault == "close-early":
                    with contextlib.suppress(OSError):
                        secure.unwrap()
                return
            read = bytearray()
            with contextlib.suppress(ssl.SSLZeroReturnError):
                while chunk := secure.recv(65536 if fault != "slow" else 200):
                    read += chunk
                    if fault == "slow":
                        time.sleep(0.001)
            self.take(bytes(read))
            if fault == "mute":
                time.sleep(20)
            elif fault != "no-notify":
                with contextlib.suppress(OSError):
                    secure.unwrap()

    def take(self, data: bytes) -> None:
        while data:
            length, _, rest = data.partition(b" ")
            if not length.isdigit() or length.startswith(b"0") or len(rest) < int(length):
                self.taken.complaints.append(f"not framed: {data[:60]!r}")
                return
            message, data = rest[: int(length)], rest[int(length) :]
            self.messages.append(message)
            self.taken.lines.append(object_of(message))

    def close(self) -> None:
        self.listener.close()


def object_of(message: bytes) -> dict[str, Any]:
    """The place and hash a message carries, whatever its form."""
    text = message.split(b" ", 7)[7].decode("ascii")
    if text.startswith("CEF:0"):
        words = dict(one.split("=", 1) for one in text.split("|", 7)[7].split(" "))
        return {"index": int(words["cn1"]), "fonds": words["cs2"], "leaf_hash": words["cs1"], "id": words["externalId"]}
    line = json.loads(text)
    return line["unmapped"] | {"id": line["metadata"]["uid"]} if "unmapped" in line else dict(line)


def connection_reset(opened: socket.socket) -> None:
    """Close so that the other side gets a reset."""
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    socket.socket.close(opened)


# ------------------------------------------------------------------------------------------------ webhooks


class WebhookServer:
    """Takes POST requests and checks each as Standard Webhooks says, with code of its own.

    Faults: a status (`500`, `302`, `429`), `hang` (never answers), `drip` (an endless head), `close` (reads all and says nothing),
    `cut` (says half of yes), `nonsense`, `early-hints` (then 500), `drop` (reads nothing), `lie` (takes it, then 500), `slow`.
    """

    def __init__(self, certificate: tuple[Path, Path] | None = None, *, fault: Fault = sound, secret: bytes = SECRET) -> None:
        self.taken = Taken()
        self.fault = fault
        self.secret = secret
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self._context: ssl.SSLContext | None = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*certificate)
        self.listener = Listener(self._serve)

    def url(self, path: str = "/hook") -> str:
        return f"http{'s' if self._context else ''}://127.0.0.1:{self.listener.port}{path}"

    def _serve(self, connection: socket.socket, number: int) -> None:
        if self._context is None:
            self._answer(connection, number)
            return
        with self._context.wrap_socket(connection, server_side=True) as secure:
            self._answer(secure, number)

    def _answer(self, opened: socket.socket, number: int) -> None:
        fault = self.fault(number)
        self.taken.exchanges += 1
        if fault == "drop":
            return
        with opened.makefile("rb") as reading:
            asked = reading.readline().decode()
            headers: dict[str, str] = {}
            while (line := reading.readline().decode("latin-1").strip()) != "":
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            body = reading.read(int(headers.get("content-length", "0")))
        self.requests.append(({"": asked.strip(), **headers}, body))
        if fault == "hang":
            time.sleep(20)
        elif fault == "drip":
            opened.sendall(b"HTTP/1.1 200 OK\r\n")
            for n in range(400):
                time.sleep(0.05)
                opened.sendall(b"X-%d: y\r\n" % n)
        elif fault == "close":
            pass
        elif fault == "cut":
            opened.sendall(b"HTTP/1.1 200 OK\r\nContent-Le")
        elif fault == "nonsense":
            opened.sendall(b"220 mail.example ESMTP\r\n\r\n")
        elif fault == "early-hints":
            opened.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 500 No\r\n\r\n")
        elif fault.isdigit():
            more = "Location: http://127.0.0.1:1/elsewhere\r\n" if fault.startswith("3") else "Retry-After: 1\r\n" if fault == "429" else ""
            opened.sendall(f"HTTP/1.1 {fault} No\r\n{more}Content-Length: 0\r\n\r\n".encode())
        else:
            if fault == "slow":
                time.sleep(0.3)
            status = self.take(headers, body)
            opened.sendall(f"HTTP/1.1 {500 if fault == 'lie' else status} So\r\nContent-Length: 0\r\n\r\n".encode())

    def take(self, headers: dict[str, str], body: bytes) -> int:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        wanted = "v1," + base64.b64encode(hmac.new(self.secret, signed, hashlib.sha256).digest()).decode()
        if wanted not in headers["webhook-signature"].split(" "):
            self.taken.complaints.append("signature")
            return 401
        self.taken.ids.append(headers["webhook-id"])
        data = json.loads(body)["data"]
        for entry in data["entries"]:
            self.taken.lines.append(entry["unmapped"] | {"id": entry["metadata"]["uid"]} if "unmapped" in entry else entry)
        return 204

    def close(self) -> None:
        self.listener.close()


@contextlib.contextmanager
def closing(*servers: Any) -> Iterator[None]:
    try:
        yield
    finally:
        for server in servers:
            server.close()
