"""The pages that teach the client are executed as they stand, against a real archive, with the package installed as they say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fresh_databases import FreshDatabases
from house_rules import ROOT
from live_archive import AUDIENCE, live_archive, log_key
from petition_archive_client.answers import Receipt
from petition_archive_client.checking import check_receipt
from small_archive import FONDS, SECRET

PAGE, README = ROOT / "docs" / "first-receipt.md", ROOT / "sdk" / "README.md"
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What every reader replaces by their own.
ADDRESS, CLIENT = '"https://archive.example"', "F001.01990000-0000-7000-8000-000000000001"
CODE, KEY, REGISTER = range(3)  # the page's programs before the one that deposits, in order
LOG_KEY = "archive.example/F001+f11bc2fc+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs"


def _blocks(path: Path) -> list[tuple[str, str]]:
    return _BLOCK.findall(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package installed by the page's own command, from this repository instead of an index."""
    (commands,) = [code for kind, code in _blocks(PAGE) if kind == "sh"]
    make, install = commands.splitlines()
    words = install.split()
    assert (make, words) == ("python3 -m venv .venv", [".venv/bin/python", "-m", "pip", "install", '"$SDK"'])
    site = tmp_path_factory.mktemp("site")
    offline = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--target", str(site)]
    subprocess.run([sys.executable, *words[1:-1], *offline, str(ROOT / "sdk")], check=True, capture_output=True)
    return site


def _run(program: str, folder: Path, site: Path, *typed: str) -> str:
    where = "import petition_archive_client as _installed\nprint(_installed.__file__)\n"
    environment = {**os.environ, "PYTHONPATH": str(site), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-c", where + program],
        cwd=folder,
        env=environment,
        input="".join(f"{line}\n" for line in typed),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    first, _, rest = done.stdout.partition("\n")
    assert Path(first).is_relative_to(site)
    return rest


def test_following_the_pages_leads_to_a_receipt_that_the_log_proves(
    fresh_databases: FreshDatabases, tmp_path: Path, installed: Path
) -> None:
    assert {kind for kind, _ in _blocks(PAGE) + _blocks(README)} == {"sh", "python"}
    page, readme = ([code for kind, code in _blocks(one) if kind == "python"] for one in (PAGE, README))
    folder = tmp_path / "case-system"
    folder.mkdir()
    with fresh_databases.fresh("sqlite") as urls, live_archive(urls, tmp_path) as archive:
        administrator = archive.people["sysadmin"]
        _run(page[KEY], folder, installed)
        assert (folder / "client.pem").stat().st_mode & 0o777 == 0o600
        digits = _run(page[CODE], folder, installed, str(administrator.factor)).split()[-1]
        registering = page[REGISTER].replace(ADDRESS, f'"{archive.url}"')
        name = _run(registering, folder, installed, FONDS, administrator.login, SECRET, digits).split()[-1]
        assert archive.entries("client.registered")[-1].object["id"] == name
        assert archive.entries("session.closed")
        # The archive knows a client of this source system already, so the new one waits for the security administrator, as the page says.
        with archive.as_("secadmin") as security:
            assert security.post(f"/v1/clients/{name.partition('.')[2]}/confirmation", json={}).is_success
        program = "\n".join(page[REGISTER + 1 :] + readme)
        # Here the archive's public address is not the one it is reached at.
        for theirs, ours in (
            (f"ARCHIVE = {ADDRESS}", f'ARCHIVE = "{archive.url}"'),
            (ADDRESS, f'"{archive.url}", audience="{AUDIENCE}"'),
            ("client=CLIENT", f'client=CLIENT, audience="{AUDIENCE}"'),
            (CLIENT, name),
            (LOG_KEY, log_key(archive)),
        ):
            assert theirs in program
            program = program.replace(theirs, ours)
        printed = _run(program, folder, installed).splitlines()
        deposited, proven, accepted, *explained = printed
        receipt = Receipt.parse(json.loads((folder / "XF-2024-000123.receipt.json").read_text(encoding="utf-8")))
        assert deposited == f"created {receipt.case_id} {receipt.log_index}"
        assert proven.startswith(f"archive.example/F001 {receipt.log_index} ")
        assert accepted == "300"
        assert explained[0].startswith("[invalid-input] HTTP 422")
        assert any("closed_at" in line for line in explained[2:])
        proof = (folder / "XF-2024-000123.tlog-proof").read_bytes()
        assert check_receipt(receipt, proof, log_key(archive)).receipt == receipt
        assert len(archive.entries("case.deposited")) == 301
        assert [entry.object["version"] for entry in archive.entries("case.supplemented", "case.corrected")] == [2, 3]


def test_every_link_of_the_pages_leads_somewhere() -> None:
    for page in (PAGE, README):
        links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
        assert links
        assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_error_and_setting_named_in_the_pages_exists() -> None:
    from petition_archive_client import client, connection, errors

    text = PAGE.read_text(encoding="utf-8") + README.read_text(encoding="utf-8")
    for name in ("ArchiveProblem", "ConnectionFailed", "OutcomeUnknown", "AnswerRefused", "ReceiptRefused"):
        assert f"`{name}`" in text
        assert hasattr(errors, name)
    for setting, value in re.findall(r"`(?:retries|timeouts)=(Retries|Timeouts)\((.*?)\)`", text):
        fields = dict(pair.split("=") for pair in value.split(", "))
        defaults = getattr(connection, setting)()
        assert {key: float(number) for key, number in fields.items()} == {key: getattr(defaults, key) for key in fields}
        assert set(fields) == set(type(defaults).__dataclass_fields__)
    assert client.ArchiveClient.deposit_many.__doc__
