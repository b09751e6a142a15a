"""Behind a proxy: whose word about an address is believed, and nothing that proxy and archive could read in two ways is answered."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from foundation.ids import new_id
from fresh_databases import FreshDatabases
from raw_http import RawConnection, problem, statuses
from service.http.docs_style import POLICY
from small_archive import FONDS, SECRET, SmallArchive, small_archive

OUTSIDE = "203.0.113.9"


@pytest.fixture(scope="module")
def proxied(fresh_databases: FreshDatabases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallArchive]:
    """This machine is the trusted proxy."""
    folder = tmp_path_factory.mktemp("proxied")
    with fresh_databases.fresh("sqlite") as urls, small_archive(urls, folder, trusted_proxies=("127.0.0.0/8",)) as made:
        yield made


def asked(archive: SmallArchive, path: str, *forwarded: str) -> httpx.Response:
    return archive.http.get(f"{archive.url}{path}", headers=[("X-Forwarded-For", line) for line in forwarded])


def signing_in(archive: SmallArchive, login: str, secret: str, *forwarded: str) -> int:
    body = {"fonds": FONDS, "login": login, "password": secret}
    lines = [("X-Forwarded-For", line) for line in forwarded]
    return archive.http.post(f"{archive.url}/v1/sessions", json=body, headers=lines, timeout=60).status_code


@pytest.mark.parametrize("forged", ["127.0.0.1", "10.0.0.7", "::1", "127.0.0.1, 10.0.0.7", "", "unknown"])
def test_a_line_the_client_wrote_itself_does_not_make_it_somebody_of_the_office(proxied: SmallArchive, forged: str) -> None:
    answer = asked(proxied, "/metrics", forged, OUTSIDE)
    assert answer.status_code == 404
    assert proxied.log_line(answer)["client"] == "other"
    assert asked(proxied, "/metrics", f"{forged}, {OUTSIDE}").status_code == 404
    assert asked(proxied, "/metrics", "10.0.0.7").status_code == 200


@pytest.mark.parametrize("hop", ["unknown", "_hidden", "127.0.0.1:port", "[::1", "127.0.0.1;", "0x7f.1"])
def test_a_hop_that_is_no_address_opens_nothing(proxied: SmallArchive, hop: str) -> None:
    assert asked(proxied, "/metrics", hop).status_code == 404
    assert asked(proxied, "/metrics", "127.0.0.1", hop).status_code == 404


def test_a_guesser_stays_locked_whatever_line_it_adds_before_the_proxys(proxied: SmallArchive) -> None:
    for n in range(12):
        signing_in(proxied, "handler", f"wrong lantern {n}", f"198.51.100.{n}", OUTSIDE)
    assert signing_in(proxied, "handler", SECRET, "198.51.100.200", OUTSIDE) == 401
    assert signing_in(proxied, "handler", SECRET, "192.0.2.77") == 201


def test_a_port_behind_an_address_makes_no_other_source_of_it(proxied: SmallArchive) -> None:
    for n in range(8):
        signing_in(proxied, "colleague", f"wrong lantern {n}", f"203.0.113.10:{4000 + n}")
    assert signing_in(proxied, "colleague", SECRET, "203.0.113.10:5000") == 401
    assert signing_in(proxied, "colleague", SECRET, "203.0.113.10") == 401
    for n in range(8):
        signing_in(proxied, "archivist", f"wrong lantern {n}", f"[2001:db8:5::{n + 1}]:{4000 + n}")
    assert signing_in(proxied, "archivist", SECRET, "[2001:db8:5::99]:5000") == 401
    assert signing_in(proxied, "archivist", SECRET, "2001:db8:6::1") == 201


def test_a_forged_line_locks_no_colleague_out_at_their_own_address(proxied: SmallArchive) -> None:
    for n in range(8):
        signing_in(proxied, "collaborator", f"wrong lantern {n}", "10.1.2.3", "203.0.113.11")
    assert signing_in(proxied, "collaborator", SECRET, "10.1.2.3") == 201


FIND = "POST /v1/cases:find"
JSON = "Content-Type: application/json"
AMBIGUOUS = {
    "two bearers": ("GET /v1/me", ("Authorization: Bearer nonsense",), b""),
    "two roles": ("GET /v1/me", ("Archive-Role: handler", "Archive-Role: principal"), b""),
    "two types": (FIND, (JSON, "Content-Type: text/plain", "Content-Length: 2"), b"{}"),
    "one type twice": (FIND, (JSON, JSON, "Content-Length: 2"), b"{}"),
    "two keys": ("POST /v1/access-requests", (JSON, "Idempotency-Key: a", "Idempotency-Key: b", "Content-Length: 2"), b"{}"),
    "two versions": (
        f"POST /v1/access-requests/{new_id()}/decisions",
        (JSON, 'If-Match: "1"', 'If-Match: "2"', "Content-Length: 2"),
        b"{}",
    ),
    "a length beside chunks": (FIND, (JSON, "Content-Length: 4", "Transfer-Encoding: chunked"), b"2\r\n{}\r\n0\r\n\r\n"),
    "two boxes": ("GET /v1/access-requests?box=mine&box=to-decide", (), b""),
    "one parameter twice": (f"GET /v1/cases/{new_id()}?version=1&version=1", (), b""),
    "two spellings of a parameter": (f"GET /v1/cases/{new_id()}?version=1&%76ersion=2", (), b""),
    "a parameter nobody reads twice": ("GET /v1/me?x&x=", (), b""),
    "chunks before a length": (FIND, (JSON, "Transfer-Encoding: chunked", "Content-Length: 4"), b"2\r\n{}\r\n0\r\n\r\n"),
}


@pytest.mark.parametrize("case", AMBIGUOUS)
def test_a_request_that_could_be_read_in_two_ways_is_refused_and_the_next_one_not_answered(proxied: SmallArchive, case: str) -> None:
    line, headers, body = AMBIGUOUS[case]
    token = f"Authorization: Bearer {proxied.token('handler')}"
    with RawConnection(proxied.url) as connection:
        smuggled = f"GET /v1/me HTTP/1.1\r\nHost: x\r\n{token}\r\n\r\n".encode()
        connection.request(line, token, *headers, body=body + smuggled)
        answer = connection.to_the_end()
    assert statuses(answer) == [400]
    assert problem(answer)["code"] == "ambiguous-request"


def test_a_transfer_coding_under_the_old_protocol_is_refused(proxied: SmallArchive) -> None:
    token = f"Authorization: Bearer {proxied.token('handler')}\r\n".encode()
    with RawConnection(proxied.url) as connection:
        connection.send(b"POST /v1/cases:find HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n", token, b"\r\n2\r\n{}\r\n0\r\n\r\n")
        assert statuses(connection.to_the_end()) == [400]


def test_every_operation_answers_out_of_caches_frames_guesses_and_other_sites(proxied: SmallArchive) -> None:
    operations = [
        (method, path) for path, item in proxied.http.get(f"{proxied.url}/v1/openapi.json").json()["paths"].items() for method in item
    ]
    assert len(operations) > 50
    origin = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    with proxied.as_("handler") as handler, httpx.Client(base_url=proxied.url) as nobody:
        for client in (handler, nobody):
            for method, path in [*operations, ("options", "/v1/cases:find"), ("get", "/nowhere")]:
                if (method, path) == ("delete", "/v1/sessions/{session_id}") and client is handler:
                    continue  # would sign out
                answer = client.request(method.upper(), re.sub("{.*?}", new_id(), path), headers=origin)
                headers = answer.headers
                assert headers["Cache-Control"] == "no-store", path
                assert headers["X-Content-Type-Options"] == "nosniff", path
                assert headers["X-Frame-Options"] == "DENY", path
                assert headers["Referrer-Policy"] == "no-referrer", path
                assert headers["Cross-Origin-Resource-Policy"] == "same-origin", path
                assert headers["Content-Security-Policy"] == (
                    POLICY if path == "/docs" else "default-src 'none'; frame-ancestors 'none'"
                ), path
                assert headers["Strict-Transport-Security"], path
                assert not [name for name in (*headers, headers.get("Vary", "")) if name.lower().startswith(("access-control-", "origin"))]
                assert "server" not in headers
                assert "set-cookie" not in headers
