"""A thief with the database, its WAL, the key ring file and everything the archive wrote gets nothing of what is sealed."""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from archive.finding import find
from archive.finding_persons import find_person
from archive.intake import deposit
from archive.reading import view
from archive.requests.approvals import decide_request
from archive.requests.filing import Form, file
from archive.requests.openings import open_case
from archive.versions import correct, supplement
from case_world import World, make_world
from foundation.clock import MovableClock
from foundation.database import Database
from fresh_databases import BACKENDS, FreshDatabases
from policies.level import Level
from policies.rulebook.load import base


def planted(world: World) -> tuple[dict[str, Any], dict[str, str]]:
    """A record with a canary of its own in every sealed field, and the canaries by field path."""
    record = world.record()
    canaries: dict[str, str] = {}
    numbers = itertools.count(1)

    def canary(path: str, kind: str) -> Any:
        number = next(numbers)
        value = {
            "petitioners[].id_number": f"9999991990133{number:04d}X",
            "petitioners[].mobile": f"1000009{number:04d}",
            "petitioners[].email": f"kanari{number:04d}@example.invalid",
            "attachments[].sha256": hashlib.sha256(str(number).encode()).hexdigest(),
            "petitioners[].birth_date": "1899-12-30",
            "petitioners[].sex": "female",
        }.get(path, f"金丝雀{number:04d}号文字")
        canaries[path] = value
        return [value] if kind == "strings" else value

    for field in base().catalogue:
        if not field.sealed or field.made_by_archive or field.type in {"json", "bool", "dated-texts", "code"}:
            continue
        group, _, name = field.path.rpartition(".")
        key = group.removesuffix("[]")
        if key == "attachments":
            continue
        if not key:
            record[name] = canary(field.path, field.type)
        elif group.endswith("[]"):
            record.setdefault(key, [{}])
            if not record[key]:
                continue
            record[key][0][name] = canary(field.path, field.type)
    record["summary"] = f"{canaries['summary']} 涉及{canaries['petitioners[].name']}（{canaries['petitioners[].id_number']}）"
    return record, canaries


def spellings(value: str) -> Iterator[bytes]:
    """The ways a careless archive would write a value down."""
    raw = value.encode()
    for form in (raw, value.encode("utf-16-le"), value.encode("utf-16-be"), value.encode("gb18030")):
        yield form
        yield form.hex().encode()
        yield form.hex().upper().encode()
    # In base64 a value shows in one of three alignments; its inside is the same whatever stands around it.
    for shift in range(3):
        yield base64.b64encode(b"\0" * shift + raw)[4 : (len(raw) + shift) // 3 * 4]
        yield base64.urlsafe_b64encode(b"\0" * shift + raw)[4 : (len(raw) + shift) // 3 * 4]
    for name in ("md5", "sha1", "sha256", "sha512", "sm3", "blake2b"):
        digest = hashlib.new(name, raw).digest()
        yield digest[:16]
        yield digest.hex()[:32].encode()
        yield base64.b64encode(digest)[:20]
    yield value.encode("unicode_escape")


def everything(database: Database, folder: Path) -> bytes:
    """All bytes a thief could carry off."""
    parts = []
    if database.dialect == "sqlite":
        path = Path(str(database.url.database))
        parts += [one.read_bytes() for one in sorted(path.parent.glob(path.name + "*"))]
    else:
        with database.read() as conn:
            tables = conn.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars().all()
            for table in tables:
                for row in conn.execute(text(f'SELECT * FROM "{table}"')):
                    parts += [value if isinstance(value, bytes) else str(value).encode() for value in row]
    parts += [one.read_bytes() for one in sorted(folder.rglob("*")) if one.is_file()]
    return b"\x1e".join(parts)


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_sealed_value_is_anywhere_in_any_spelling(
    backend: str, fresh_databases: FreshDatabases, clock: MovableClock, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with fresh_databases.fresh(backend) as urls:
        database = Database(urls.application)
        world = make_world(database, clock, tmp_path)
        record, canaries = planted(world)
        assert len(canaries) > 15
        live_through(world, record, canaries)
        stolen = everything(database, tmp_path)
        world.desk.uow.close()
        database.close()
    out, err = capfd.readouterr()
    stolen += out.encode() + err.encode()
    assert b"county-petition" in stolen  # the search does see what is plain
    found = sorted(
        {
            path
            for path, value in canaries.items()
            if path not in {"petitioners[].sex", "petitioners[].birth_date"}
            for form in spellings(value)
            if len(form) >= 8 and form in stolen
        }
    )
    assert found == []


def live_through(world: World, record: dict[str, Any], canaries: dict[str, str]) -> None:
    """Everything a case goes through: deposited, refused, supplemented, corrected, found, asked for and opened."""
    receipt = deposit(world.desk, world.system, record)
    with pytest.raises(Exception, match="already-deposited"):
        deposit(world.desk, world.system, record | {"title": canaries["title"] + "！"})
    with pytest.raises(Exception, match="invalid-input"):
        deposit(world.desk, world.system, record | {"closed_at": canaries["title"], canaries["content"]: 1})
    part = {"feedback": [{"target": "petition_office", "satisfaction": "satisfied", "comment": canaries["content"]}]}
    supplement(world.desk, world.system, receipt.case_id, base_version=1, part=part, reason=canaries["content"])
    correct(world.desk, world.system, receipt.case_id, base_version=2, record=record, reason=canaries["content"])
    handler = world.caller("S-1")
    view(world.desk, handler, receipt.case_id)
    find(world.desk, handler, {"filters": {"case_no": {"in": [canaries["title"]]}}})
    for kind, path in (("name", "petitioners[].name"), ("id_number", "petitioners[].id_number"), ("phone", "petitioners[].mobile")):
        found = find_person(world.desk, handler, kind, canaries[path], purpose="review", reason=canaries["content"])
        assert [row.case_id for row in found.rows] == [receipt.case_id]
    form = Form(
        cases=(receipt.case_id,),
        paths=("petitioners[].name", "petitioners[].id_number", "content"),
        level=Level.CLEAR,
        purpose="review",
        reason=canaries["content"],
        usage="read-only",
        max_uses=2,
        not_before=None,
        expires_at=world.clock.now() + timedelta(days=3),
    )
    filed = file(world.desk, handler, form)
    first = decide_request(world.desk, world.caller("S-2"), filed.request_id, verdict="approve", reason=canaries["content"], if_match=1)
    second = decide_request(
        world.desk, world.caller("S-3"), filed.request_id, verdict="approve", reason=canaries["content"], if_match=first.version
    )
    assert second.grant_id is not None
    clear = open_case(world.desk, handler, second.grant_id, receipt.case_id)
    assert clear.view.record["petitioners"][0]["name"] == canaries["petitioners[].name"]
