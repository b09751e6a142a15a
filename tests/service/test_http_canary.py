"""One case full of canaries, every role at every door of the API: what a role may not see is in nothing it gets, nor in what is written."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from command_line import Terminal
from door_inputs import Asked, Inputs
from fresh_databases import FreshDatabases
from petition_records import typical
from policies.rulebook.load import base
from sealed_canaries import Canaries
from small_archive import FONDS, SOURCE, SmallArchive, small_archive

GRANTED = ("petitioners[].name", "stages[].opinion")
# Callers whose bad requests are sent too; before the credential is known nothing of a request is read, so more would tell no more.
CARELESS = ("handler", "secadmin", SOURCE, "nobody")
# The applicant, and those who may decide on the form.
MAY_READ_THE_REASON = {"handler", "leader", "second_leader", "principal"}


@dataclass
class Heard:
    """Everything one caller was answered."""

    everything: bytearray = field(default_factory=bytearray)
    statuses: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def note(self, asked: Asked, answer: httpx.Response) -> None:
        self.statuses[asked.operation].append(answer.status_code)
        self.everything += b"\n".join(name + b": " + value for name, value in answer.headers.raw) + b"\n\n" + answer.content + b"\n"


@dataclass
class Scene:
    """The archive with the case, what was planted in it, and what was heard."""

    archive: SmallArchive
    canaries: Canaries
    inputs: Inputs
    case_id: str
    grant_id: str
    heard: dict[str, Heard] = field(default_factory=lambda: defaultdict(Heard))
    opened: list[httpx.Response] = field(default_factory=list)
    metrics: str = ""
    output: bytes = b""

    def go_round(self) -> None:
        """Every caller at every door."""
        with ExitStack() as stack:
            callers: dict[str, httpx.Client] = {"nobody": stack.enter_context(httpx.Client(base_url=self.archive.url, timeout=60))}
            # The handler last: giving the grant back is one of the operations, and till then all others try it while it is live.
            for name in sorted(self.archive.people, key=lambda one: one == "handler"):
                callers[name] = stack.enter_context(self.archive.as_(name))
            systems = {name: stack.enter_context(self.archive.as_system(name)) for name in self.archive.systems}
            for name, client in (systems | callers).items():
                for asked in [*self.inputs.good(), *(self.inputs.bad() if name in CARELESS else ())]:
                    self._ask(name, client, asked)

    def open_in_clear(self) -> None:
        """The handler opens what was granted, and reads it once more."""
        with self.archive.as_("handler") as handler:
            begun = handler.post(f"/v1/grants/{self.grant_id}/openings", json={"case_id": self.case_id})
            self.opened += (begun, handler.get(f"/v1/openings/{begun.json()['opening_id']}"))

    def _ask(self, name: str, client: httpx.Client, asked: Asked) -> None:
        answer = client.request(asked.method, asked.path, content=asked.body, headers=dict(asked.headers))
        self.heard[name].note(asked, answer)


def plant(archive: SmallArchive) -> tuple[Canaries, dict[str, Any], dict[str, Any]]:
    """The case, its record, and its receipt."""
    canaries = Canaries()
    record = canaries.plant(archive.record(), base().catalogue)
    record["cooperating_unit_codes"] = ["U-3"]
    # Named in texts too, as people are.
    for name in ("summary", "content", "title"):
        record[name] += f"（{canaries.planted['petitioners[].name'][0]}，{canaries.planted['petitioners[].mobile'][0]}）"
    with archive.as_system() as system:
        answer = system.post("/v1/cases", json=record)
    assert answer.status_code == 201, answer.text
    return canaries, record, answer.json()


def scene_of(archive: SmallArchive) -> Scene:
    canaries, record, receipt = plant(archive)
    case_id = receipt["case_id"]
    why = canaries.text("a reason")
    with archive.as_("handler") as handler:
        pending = handler.post("/v1/access-requests", json=archive.form(case_id, reason=why))
        assert pending.status_code == 201, pending.text
    grant_id, spare = (archive.granted(case_id, fields=list(GRANTED), reason=why, max_uses=2) for _ in range(2))
    with archive.as_("handler") as handler:
        opening = handler.post(f"/v1/grants/{grant_id}/openings", json={"case_id": case_id})
    assert opening.status_code in {200, 201}, opening.text
    name, mobile = canaries.planted["petitioners[].name"][0], canaries.planted["petitioners[].mobile"][0]
    ids = {
        "case_id": case_id,
        "entry_id": receipt["log"]["entry_id"],
        "request_id": pending.json()["request_id"],
        "grant_id": grant_id,
        "opening_id": opening.json()["opening_id"],
        "account_id": archive.people["second_leader"].account_id,
        "index": str(receipt["log"]["index"]),
        "log": FONDS,
        "level": "0",
        "file": "000.p/1",
    }
    ids |= dict.fromkeys(
        ("unit_id", "post_id", "holding_id", "person_id", "session_id", "client_id"), "01890000-0000-7000-8000-000000000000"
    )
    until = datetime.fromtimestamp(archive.clock.now().timestamp() + 86400, UTC).isoformat()
    values = {"case_id": case_id, "cases": [case_id], "fields": list(GRANTED), "purpose": "review", "reason": why, "usage": "verification"}
    values |= {
        "expires_at": until,
        "max_uses": 1,
        "fonds": FONDS,
        "login": name,
        "password": mobile,
        "level": "clear",
        "verdict": "approve",
    }
    bodies: dict[str, list[Any]] = {
        "POST /v1/cases": [record, record | {"title": name}, record | {"case_no": name, "is_anonymous": True}],
        "POST /v1/cases:batch": [[record, record | {"title": name}, {"title": name}, name]],
        "POST /v1/cases/{case_id}/supplements": [
            {"base_version": version, "supplement": {"feedback": [{"target": "petition_office", "comment": name}]}, "reason": why}
            for version in (1, 9)
        ],
        "POST /v1/cases/{case_id}/corrections": [{"base_version": 9, "record": record, "reason": why}],
        "POST /v1/cases:find": [
            {},
            {"filters": {"case_no": {"in": [name]}}, "facets": ["closure_type"]},
            {"filters": {"petitioners[].name": {"in": [name]}}},
            {"facets": ["petitioners[].name"]},
        ],
        "POST /v1/cases:find-identity": [
            {"kind": kind, "value": value, "purpose": "review", "reason": why}
            for kind, value in (("name", name), ("phone", mobile), ("name", name + "x"))
        ],
        "POST /v1/audit:query": [{}, {"case": case_id}, {"limit": 200}],
        "POST /v1/token": [{"grant_type": "client_credentials", "client_assertion": name, "client_assertion_type": name}],
        "POST /v1/me/secret": [{"current": name, "new": mobile + name}],
        "POST /v1/grants/{grant_id}/revocation": [{"reason": ""}],
        "POST /v1/accounts/{account_id}/block": [{"reason": [why]}],
        "POST /v1/accounts/{account_id}/secret-reset": [{"reason": [why]}],
        "POST /v1/accounts/{account_id}/factor-reset": [{"reason": [why]}],
    }
    description = archive.http.get(f"{archive.url}/v1/openapi.json").json()
    ascii_canary = canaries.planted["petitioners[].email"][0]
    return Scene(archive, canaries, Inputs(description, ids, bodies, values, name, ascii_canary), case_id, spare)


@contextmanager
def written_to(path: Path) -> Iterator[None]:
    """Whatever anything in this process prints goes to a file, past Python's own streams too."""
    kept = [os.dup(number) for number in (1, 2)]
    with path.open("wb") as file:
        try:
            for number in (1, 2):
                os.dup2(file.fileno(), number)
            yield
        finally:
            for number, one in enumerate(kept, 1):
                os.dup2(one, number)
                os.close(one)


def commands(folder: Path, database_url: str, canaries: Canaries, record: dict[str, Any]) -> str:
    """What the command line says over the same archive when the service is off, also of cases it refuses."""
    # The archive stood still in another year: of quiet is spoken elsewhere.
    terminal = Terminal.at(folder, ARCHIVE_DATABASE_URL=database_url, ARCHIVE_HEARTBEAT_SECONDS="0")
    table = folder / "refused" / "cases.ndjson"
    table.parent.mkdir()
    faulty = [
        {**record, "closed_at": canaries.text("typed")},
        {**record, canaries.text("typed"): 1},
        {**record, "title": [canaries.text("typed")]},
    ]
    table.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in faulty), encoding="utf-8")
    tried = [terminal.run("import", str(table), "--dry-run")]
    assert (folder / "refused" / "cases.ndjson.error-rows.csv").exists()
    tried.append(terminal.run("import", str(table), "--fonds", FONDS, "--login", "archivist", typed=f"{canaries.text('typed')}\n\n"))
    table.unlink()
    tried += [terminal.run(*words) for words in (("audit", "status"), ("audit", "fsck"), ("keys", "list"))]
    tried.append(terminal.run("audit", "export", str(folder / "export"), "--fonds", FONDS))
    assert [one.status for one in tried] == [1, 1, 0, 0, 0, 0], "\n".join(one.text for one in tried)
    return "\n".join(one.text for one in tried)


@pytest.fixture(scope="module")
def scene(fresh_databases: FreshDatabases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """All of it is done here, under a collected output; the tests look at what came of it."""
    home, printed = tmp_path_factory.mktemp("canary"), tmp_path_factory.mktemp("printed") / "output"
    with fresh_databases.fresh("sqlite") as urls:
        with written_to(printed), small_archive(urls, home) as archive:
            made = scene_of(archive)
            made.go_round()
            made.open_in_clear()
            made.metrics = archive.http.get(f"{archive.url}/metrics").text
        said = commands(home, urls.application, made.canaries, typical())
        # What lies in the archive's own folder besides its database: keys, anchors, the export, the refused rows; and their names.
        files = b"".join(one.name.encode() + one.read_bytes() for one in sorted(home.rglob("*")) if one.is_file())
        made.output = files + printed.read_bytes() + (said + archive.log.getvalue() + made.metrics).encode()
        yield made


def test_no_role_gets_by_any_door_what_it_may_not_see(scene: Scene) -> None:
    told = {}
    for name, heard in scene.heard.items():
        # The masked form of a dated text is its date with the redacted text.
        shown = {"replies[].promised_dates.date"} | ({"a reason"} if name in MAY_READ_THE_REASON else set())
        found = scene.canaries.found_in(bytes(heard.everything), but=shown)
        if found:
            told[name] = found
    assert told == {}


def test_every_operation_was_tried_by_every_caller_and_some_were_let_in(scene: Scene) -> None:
    described = {f"{method.upper()} {path}" for path, item in scene.inputs.description["paths"].items() for method in item}
    for name, heard in scene.heard.items():
        assert set(heard.statuses) == described, name
        assert not {status for statuses in heard.statuses.values() for status in statuses} & {500, 501, 502}, name
    let_in = {
        operation for heard in scene.heard.values() for operation, statuses in heard.statuses.items() if any(one < 300 for one in statuses)
    }
    assert let_in >= {
        "GET /v1/cases/{case_id}",
        "POST /v1/cases",
        "POST /v1/cases:find",
        "POST /v1/cases:find-identity",
        "GET /v1/access-requests",
    }


def test_a_handler_with_a_grant_sees_exactly_the_fields_it_names(scene: Scene) -> None:
    for answer in scene.opened:
        assert answer.is_success, answer.text
        seen = {path for path, values in scene.canaries.planted.items() if any(value.encode() in answer.content for value in values)}
        assert seen - {"replies[].promised_dates.date"} == set(GRANTED)
        assert scene.canaries.found_in(answer.content, but=(*GRANTED, "replies[].promised_dates.date")) == []


def test_nothing_written_by_service_or_command_line_holds_a_canary(scene: Scene) -> None:
    for known in (b'"route"', b'"kind":"case.viewed"', b"archive_http_requests_total", "试运行".encode(), b"closed_at"):
        assert known in scene.output
    assert scene.canaries.found_in(scene.output) == []
