"""The page that teaches how to open a case is executed as it stands, against a real archive."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pyotp
import pytest

from fresh_databases import FreshDatabases
from house_rules import ROOT
from live_archive import live_archive
from petition_records import MOBILE
from small_archive import FONDS, SECRET, SmallArchive

PAGE = ROOT / "docs" / "first-opening.md"
_BLOCK = re.compile(r"`([a-z_]+\.py)`[:：]\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ADDRESS = '"http://127.0.0.1:8700"'


def _as(archive: SmallArchive, name: str, program: str, folder: Path) -> str:
    """What a program of the page prints when this person runs it."""
    person = archive.people[name]
    code = pyotp.TOTP(person.factor).at(archive.clock.now()) if person.factor else ""
    done = subprocess.run(
        [sys.executable, str(folder / program)],
        cwd=folder,
        # The suite runs without the working folder on the path; whoever follows the page has their scripts there.
        env={name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"} | {"PYTHONIOENCODING": "utf-8"},
        input="".join(f"{line}\n" for line in (FONDS, person.login, SECRET, code)),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_following_the_page_leads_to_a_case_opened_and_returned(fresh_databases: FreshDatabases, tmp_path: Path) -> None:
    programs = dict(_BLOCK.findall(PAGE.read_text(encoding="utf-8")))
    assert list(programs) == ["door.py", "file.py", "approve.py", "open_and_return.py"]
    assert ADDRESS in programs["door.py"]
    with fresh_databases.fresh("sqlite") as urls, live_archive(urls, tmp_path) as archive:
        case_id = archive.deposited()
        folder = tmp_path / "desk"
        folder.mkdir()
        for name, code in programs.items():
            (folder / name).write_text(code.replace(ADDRESS, f'"{archive.url}"'), encoding="utf-8")
        filed = _as(archive, "handler", "file.py", folder)
        assert "检索到 found 1\n" in filed
        assert "张三" not in filed
        assert " pending review\n" in filed
        assert "结果 now pending\n" in _as(archive, "leader", "approve.py", folder)
        assert "结果 now approved\n" in _as(archive, "principal", "approve.py", folder)
        opened = _as(archive, "handler", "open_and_return.py", folder)
        assert f"['petitioners[].mobile', 'petitioners[].name'] 张三 {MOBILE}\n" in opened
        assert opened.endswith("归还之后 after the return 403\n")
        assert archive.entries("access.intent")[-1].object == {"kind": "case", "id": case_id, "version": 1}
        assert len(archive.entries("grant.returned")) == 1
        assert len(archive.entries("session.closed")) == 4


def test_every_link_of_the_opening_page_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", PAGE.read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (PAGE.parent / link).exists()] == []


@pytest.mark.parametrize("login", ["s1001", "s1900", "s1800"])
def test_the_people_the_opening_page_names_are_in_the_demonstration(login: str) -> None:
    from service.cli.demo_office import OFFICES

    assert f"`{login}`" in PAGE.read_text(encoding="utf-8")
    assert login in {one.staff.staff_id.lower() for one in OFFICES[1].colleagues}
