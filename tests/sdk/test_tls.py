from __future__ import annotations

import ipaddress
import ssl
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from petition_archive_client.errors import ConnectionFailed
from scripted_archive import scripted_archive

CASE = {"source_system": "county-petition", "case_no": "XF-1", "title": "路灯不亮"}


def _certificate(folder: Path, address: str = "127.0.0.1", days: int = 1) -> Path:
    """A self-signed certificate with its key, in one PEM file, valid until `days` from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "archive.example")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{address}.{days}.pem"
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made.public_bytes(Encoding.PEM),
    )
    return path


def _serving(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_a_server_under_the_intranets_own_authority_is_trusted_when_told_to(tmp_path: Path, open_door: Any) -> None:
    certificate = _certificate(tmp_path)
    with scripted_archive(_serving(certificate)) as archive:
        assert open_door(archive.url, tls=ssl.create_default_context(cafile=str(certificate))).deposit(CASE).version == 1


@pytest.mark.parametrize(("address", "days", "known"), [("127.0.0.1", 1, False), ("127.0.0.2", 1, True), ("127.0.0.1", -1, True)])
def test_an_unknown_a_strangers_or_an_ended_certificate_is_refused_at_once_and_hears_nothing(
    tmp_path: Path, open_door: Any, address: str, days: int, known: bool
) -> None:
    certificate = _certificate(tmp_path, address, days)
    trusting = ssl.create_default_context(cafile=str(certificate)) if known else None
    with scripted_archive(_serving(certificate)) as archive:
        door = open_door(archive.url, tls=trusting)
        begun = time.monotonic()
        for act in (lambda: door.deposit(CASE), lambda: door.deposit_many([CASE])):
            with pytest.raises(ConnectionFailed, match="certificate-not-trusted"):
                act()
        assert time.monotonic() - begun < 5
        assert archive.seen == []
