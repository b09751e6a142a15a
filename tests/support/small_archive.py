"""A small archive behind its real door: one fonds with people in every post, a case system, a neighbour fonds, served by a real uvicorn.

    with small_archive(urls, folder) as archive:
        archive.as_("handler").get("/v1/cases/…")

People sign in over HTTP when first asked for, with a one-time code computed here, and again when time has passed.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pyotp
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

from audit.entry import Entry
from audit.events import Actor, Event
from auth.clients import Client, register_client
from auth.people import open_account, register_person, set_secret
from auth.posts import create_post, hold_post
from auth.totp import matching_counter, store_provisional, take_code
from auth.units import found_unit
from auth_office import jwk_of, sign_es256
from foundation.clock import MovableClock
from foundation.ids import new_id
from foundation.uow import Unit
from fresh_databases import DatabaseUrls
from office.founding import NewFonds, found_fonds
from petition_records import typical
from service import logs
from service.founding import found_archive
from service.house import House
from service.http.serving import server_of
from service.wiring import Settings, auth_policy, open_archive
from stored_entries import stored_entries
from vault.unlock import Credential

T = TypeVar("T")
FONDS, OTHER_FONDS = "F001", "F002"
SOURCE = "county-petition"
PUBLIC_URL = "https://archive.example"
SECRET = "lantern over quiet 河 nine"
START = datetime(2026, 3, 18, 4, 0, tzinfo=UTC)
# Where the logs of this process go, for all archives in it: what is looked for in them must not be in any.
LOG = StringIO()
UNITS = {"U-0": None, "U-1": "U-0", "U-2": "U-0", "U-3": "U-0", "U-9": "U-0"}
# name -> (staff number, roles, unit). The handler's leader and the fonds' principal can decide what the handler asks for.
PEOPLE: dict[str, tuple[str, tuple[str, ...], str]] = {
    "handler": ("S-1", ("handler",), "U-1"),
    "leader": ("S-2", ("leader",), "U-1"),
    "principal": ("S-3", ("principal",), "U-0"),
    "inspector": ("S-4", ("inspector",), "U-0"),
    "colleague": ("S-5", ("handler",), "U-1"),
    "collaborator": ("S-6", ("collaborator",), "U-3"),
    "archivist": ("S-7", ("archivist",), "U-0"),
    "legal": ("S-8", ("legal",), "U-0"),
    "external_supervisor": ("S-9", ("external_supervisor",), "U-0"),
    "sysadmin": ("S-10", ("sysadmin",), "U-0"),
    "secadmin": ("S-11", ("secadmin",), "U-0"),
    "auditadmin": ("S-12", ("auditadmin",), "U-0"),
    "accused": ("P-7", ("handler",), "U-9"),
    "accused_inspector": ("S-13", ("inspector",), "U-9"),
    "second_leader": ("S-14", ("leader",), "U-1"),
    "two_posts": ("S-15", ("handler", "leader"), "U-2"),
}


@dataclass
class Person:
    """Somebody of the office."""

    login: str
    person_id: str
    account_id: str
    roles: tuple[str, ...]
    factor: str | None
    token: str = ""
    signed_in_at: datetime | None = None


@dataclass
class CaseSystem:
    """A registered client with its private key."""

    client: Client
    key: ec.EllipticCurvePrivateKey
    token: str = ""
    until: datetime | None = None


@dataclass
class SmallArchive:
    """The archive, its house and its door."""

    house: House
    clock: MovableClock
    url: str
    settings: Settings
    log: StringIO
    people: dict[str, Person] = field(default_factory=dict)
    systems: dict[str, CaseSystem] = field(default_factory=dict)
    http: httpx.Client = field(default_factory=httpx.Client)

    def as_(self, name: str, role: str | None = None) -> httpx.Client:
        """A client that is signed in as this person, perhaps in one of several roles."""
        headers = {"Authorization": f"Bearer {self.token(name)}"}
        if role is not None:
            headers["Archive-Role"] = role
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)

    def token(self, name: str) -> str:
        """The person's access token, fresh enough for the archive's clock."""
        person = self.people[name]
        now = self.clock.now()
        if person.signed_in_at is None or (now - person.signed_in_at).total_seconds() > 300:
            if person.signed_in_at is not None:
                self.clock.advance(60)  # a one-time code is taken once
                now = self.clock.now()
            answer = self.sign_in(name)
            assert answer.status_code == 201, answer.text
            person.token, person.signed_in_at = answer.json()["access_token"], now
        return person.token

    def sign_in(self, name: str, **changed: Any) -> httpx.Response:
        person = self.people[name]
        fonds = OTHER_FONDS if name.startswith("other_") else FONDS
        body = {"fonds": fonds, "login": person.login, "password": SECRET}
        if person.factor is not None:
            body["totp"] = pyotp.TOTP(person.factor).at(self.clock.now())
        return self.http.post(f"{self.url}/v1/sessions", json=body | changed, timeout=60)

    def as_system(self, name: str = SOURCE) -> httpx.Client:
        """A client that is signed in as this case system."""
        system = self.systems[name]
        now = self.clock.now()
        if system.until is None or now >= system.until:
            answer = self.ask_token(self.assertion(name))
            assert answer.status_code == 200, answer.text
            system.token = answer.json()["access_token"]
            system.until = datetime.fromtimestamp(now.timestamp() + answer.json()["expires_in"] / 2, UTC)
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {system.token}"}, timeout=120)

    def assertion(self, name: str = SOURCE, **changed: Any) -> str:
        system = self.systems[name]
        now = int(self.clock.now().timestamp())
        body = {"iss": system.client.name, "sub": system.client.name, "aud": f"{PUBLIC_URL}/v1/token", "jti": new_id(), "iat": now}
        return sign_es256(system.key, {"alg": "ES256", "typ": "JWT", "kid": system.client.kid}, {**body, "exp": now + 60, **changed})

    def ask_token(self, assertion: str) -> httpx.Response:
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": assertion,
        }
        return self.http.post(f"{self.url}/v1/token", data=form)

    def record(self, **changes: Any) -> dict[str, Any]:
        """A case with a number of its own."""
        return typical() | {"case_no": f"XF-{new_id()}"} | changes

    def deposited(self, record: dict[str, Any] | None = None) -> str:
        """Deposit a case and return its id."""
        with self.as_system() as system:
            answer = system.post("/v1/cases", json=record or self.record())
        assert answer.status_code == 201, answer.text
        return str(answer.json()["case_id"])

    def entries(self, *kinds: str, fonds: str = FONDS) -> list[Entry]:
        """The log's entries of these kinds (none given: all), oldest first."""
        return stored_entries(self.house.desk.db, fonds, kinds)

    def log_line(self, answer: httpx.Response) -> dict[str, Any]:
        """The service's log line of an answer; it is written when the answer is already on its way."""
        for _ in range(500):
            for line in map(json.loads, self.log.getvalue().splitlines()):
                if line.get("request_id") == answer.headers["Request-Id"]:
                    return dict(line)
            time.sleep(0.01)
        raise AssertionError("a request left no line in the log")

    def form(self, *cases: str, **changes: Any) -> dict[str, Any]:
        """An access form for these cases: the petitioners' names, once, for three days."""
        until = datetime.fromtimestamp(self.clock.now().timestamp() + 3 * 86400, UTC).isoformat()
        return {
            "cases": list(cases),
            "fields": ["petitioners[].name"],
            "level": "clear",
            "purpose": "review",
            "reason": "复查需要核对信访人姓名",
            "usage": "verification",
            "max_uses": 2,
            "expires_at": until,
        } | changes

    def granted(self, *cases: str, **changes: Any) -> str:
        """File as the handler, let leader and principal approve, and return the grant's id."""
        with self.as_("handler") as handler:
            filed = handler.post("/v1/access-requests", json=self.form(*cases, **changes))
        assert filed.status_code == 201, filed.text
        request_id, version = filed.json()["request_id"], filed.headers["ETag"]
        done: dict[str, Any] = {}
        for approver in ("leader", "principal"):
            with self.as_(approver) as client:
                answer = client.post(
                    f"/v1/access-requests/{request_id}/decisions", json={"verdict": "approve"}, headers={"If-Match": version}
                )
            assert answer.status_code == 200, answer.text
            done, version = answer.json(), answer.headers["ETag"]
        return str(done["grant_id"])


def settings_for(urls: DatabaseUrls, folder: Path, **changes: Any) -> Settings:
    """Settings of an archive in `folder` over this database, with its credential made."""
    keys = folder / "keys"
    keys.mkdir(mode=0o700, exist_ok=True)
    credential = keys / "credential"
    if not credential.exists():
        Credential.make(credential)
    values: dict[str, Any] = {
        "home": folder,
        "database_url": SecretStr(urls.application),
        "key_ring_credential": credential,
        "public_url": PUBLIC_URL,
        "port": 0,
        "publish_seconds": 0.2,
        "index_seconds": 86_400.0,  # commitments when they are asked for, and not in the midst of a test
        "connections": 24,
        "threads": 32,
    }
    return Settings(**(values | changes))


@contextmanager
def small_archive(urls: DatabaseUrls, folder: Path, clock: MovableClock | None = None, **changes: Any) -> Iterator[SmallArchive]:
    """Found, furnish, open and serve an archive; closed, and its port with it, when the block ends."""
    settings = settings_for(urls, folder, **changes)
    fonds = [NewFonds(FONDS, "示例市信访局", "Example city"), NewFonds(OTHER_FONDS, "示例县信访局", "Example county")]
    found_archive(settings, "archive.example", migrate=False)
    clock = clock or MovableClock(START)
    logs.configure("info", LOG)
    house = open_archive(settings, clock=clock)
    try:
        for one in fonds:
            found_fonds(house.desk, one)
        with served(house) as url:
            archive = SmallArchive(house, clock, url, settings, LOG)
            _furnish(archive)
            yield archive
            archive.http.close()
    finally:
        house.close()


@contextmanager
def served(house: House) -> Iterator[str]:
    """The house behind a real uvicorn on a free port of this machine; its URL."""
    server = server_of(house, host="127.0.0.1", port=0)
    thread = threading.Thread(target=server.run, name="uvicorn", daemon=True)
    thread.start()
    try:
        for _ in range(1000):
            if server.started:
                break
            thread.join(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def _furnish(archive: SmallArchive) -> None:
    house, at = archive.house, archive.clock.now()
    hashed = house.auth.passwords.hash(SECRET)
    policy = auth_policy(house.desk.rulebook(FONDS))

    def units(unit: Unit) -> dict[str, str]:
        made: dict[str, str] = {}
        for code, parent in UNITS.items():
            made[code] = found_unit(unit, code=code, title=f"示例单位{code}", parent_id=made[parent] if parent else None, at=at)
        return made

    def person(name: str, staff_no: str, roles: tuple[str, ...], unit_id: str) -> Callable[[Unit], Person]:
        def make(unit: Unit) -> Person:
            person_id = register_person(unit, staff_no=staff_no, display_name=f"示例{staff_no}", at=at)
            for role in roles:
                post_id = create_post(unit, unit_id=unit_id, role=role, title=f"{role}岗", at=at, policy=policy)
                hold_post(unit, post_id=post_id, person_id=person_id, begins=at, policy=policy)
            account_id = open_account(unit, person_id=person_id, login=name.replace("_", "-"), secret_hash=hashed, at=at)
            set_secret(unit, account_id, hashed, at=at, must_change=False, keep=5)
            factor = None
            if policy.second_factor_roles & set(roles):
                factor = pyotp.random_base32(32)
                store_provisional(unit, account_id, house.auth.seal_factor(unit.fonds, account_id, factor.encode()), at=at)
                earlier = datetime.fromtimestamp(at.timestamp() - 300, UTC)
                counter = matching_counter(factor.encode(), pyotp.TOTP(factor).at(earlier), at=earlier, after=-1)
                assert counter is not None
                take_code(unit, account_id, counter, confirm=True, at=at)
            return Person(name.replace("_", "-"), person_id, account_id, roles, factor)

        return make

    def system(name: str, jwk: dict[str, Any]) -> Callable[[Unit], Client]:
        return lambda unit: register_client(unit, source_system=name, title="示例业务系统", public_jwk=jwk, at=at)

    def do(fonds: str, act: Callable[[Unit], T]) -> T:
        def recorded(unit: Unit) -> T:
            value = act(unit)
            unit.add(Event("fonds.created", Actor(), at, object={"kind": "fonds", "id": fonds}, reason="furnished"))
            return value

        return house.desk.uow.run(fonds, recorded)

    ids = do(FONDS, units)
    for name, (staff_no, roles, code) in PEOPLE.items():
        archive.people[name] = do(FONDS, person(name, staff_no, roles, ids[code]))
    other = do(OTHER_FONDS, units)
    for name, (staff_no, role) in {"other_handler": ("S-1", "handler"), "other_inspector": ("S-4", "inspector")}.items():
        archive.people[name] = do(OTHER_FONDS, person(name, staff_no, (role,), other["U-1"]))
    for name, code in ((SOURCE, FONDS), ("hotline", FONDS), ("other-system", OTHER_FONDS)):
        key = ec.generate_private_key(ec.SECP256R1())
        archive.systems[name] = CaseSystem(do(code, system(name, jwk_of(key))), key)
