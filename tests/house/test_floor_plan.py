"""The floor plan of pyproject.toml holds, and each of its contracts is seen to break where it should."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import house_rules as rules

PACKAGES = (*rules.ROOMS, "petition_archive_client")
# Modules and libraries the contracts name; the empty house has them too, so that no contract is kept for want of its subject.
NAMED = {
    "auth/passwords.py": "import argon2",
    "auth/principal.py": "",
    "auth/tokens.py": "import jose",
    "service/cli/__init__.py": "",
    "service/settings.py": "import pydantic_settings",
    "service/house.py": "",
    "service/wiring.py": "import service.settings",
    "service/witness/__init__.py": "",
    "vault/keyring.py": "",
    "tlog/note.py": "import cryptography",
    "foundation/ids.py": "",
    "foundation/errors.py": "",
}


def _lint(house: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [program, "--no-cache"], cwd=house, capture_output=True, text=True, check=False, env={"NO_COLOR": "1", "COLUMNS": "200"}
    )


@pytest.fixture
def empty_house(tmp_path: Path) -> Path:
    """The rooms with nothing in them, under the project's own contracts."""
    shutil.copy(rules.ROOT / "pyproject.toml", tmp_path)
    for package in PACKAGES:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text('"""A room."""\n')
    for name, statement in NAMED.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f'"""A module."""\n{statement}\n')
    return tmp_path


def test_an_empty_house_keeps_every_contract(empty_house: Path) -> None:
    done = _lint(empty_house)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "statement", "contract"),
    [
        ("archive/intake.py", "import service", "floors"),
        ("archive/intake.py", "import office", "floors"),
        ("acts/deciding.py", "import archive", "floors"),
        ("acts/deciding.py", "import office", "floors"),
        ("policies/decide.py", "import acts", "floors"),
        ("tlog/merkle.py", "import foundation", "floors"),
        ("audit/entries.py", "import vault", "floors"),
        ("auth/accounts.py", "import policies", "floors"),
        ("reviews/trends.py", "import service", "floors"),
        ("policies/decide.py", "import sqlalchemy", "policies-pure"),
        ("policies/decide.py", "import audit", "policies-pure"),
        ("policies/decide.py", "import structlog", "policies-pure"),
        ("policies/decide.py", "import auth.tokens", "policies-auth"),
        ("policies/decide.py", "import foundation", "policies-foundation"),
        ("auth/principal.py", "import sqlalchemy", "principal-bare"),
        ("tlog/merkle.py", "import sqlalchemy", "tlog-pure"),
        ("archive/intake.py", "import cryptography", "cryptography-held"),
        ("tlog/merkle.py", "from cryptography.hazmat.primitives import hashes", "cryptography-held"),
        ("auth/sessions.py", "from jose import jwt", "jose-held"),
        ("vault/keyring.py", "import argon2", "argon2-held"),
        ("archive/intake.py", "import fastapi", "web-held"),
        ("office/people.py", "import typer", "web-held"),
        ("service/cli/tour.py", "import service.settings", "settings-held"),
        ("service/witness/judging.py", "import audit", "witness-alone"),
        ("service/witness/judging.py", "import vault.keyring", "witness-alone"),
        ("service/witness/folder.py", "import sqlalchemy", "witness-alone"),
        ("audit/entries.py", "import vault", "audit-without-keys"),
        ("auth/accounts.py", "import tlog", "auth-floor"),
        ("petition_archive_client/client.py", "import foundation", "sdk-outside"),
        ("archive/intake.py", "import petition_archive_client", "strangers-to-the-sdk"),
    ],
)
def test_a_room_that_reaches_where_it_may_not_breaks_its_contract(empty_house: Path, module: str, statement: str, contract: str) -> None:
    path = empty_house / module
    path.write_text(f'"""A module."""\n{statement}\n')
    done = _lint(empty_house)
    broken = {line.rpartition(" BROKEN")[0].strip() for line in done.stdout.splitlines() if line.endswith("BROKEN")}
    assert done.returncode == 1, done.stdout
    assert _names()[contract] in broken


def test_two_modules_that_import_each_other_break_the_plan(empty_house: Path) -> None:
    (empty_house / "archive" / "intake.py").write_text("import archive.reading\n")
    (empty_house / "archive" / "reading.py").write_text("import archive.intake\n")
    done = _lint(empty_house)
    assert done.returncode == 1
    assert f"{_names()['no-circles']} BROKEN" in done.stdout


def test_what_the_floors_allow_is_allowed(empty_house: Path) -> None:
    allowed = {
        "service/settings.py": "import pydantic_settings",
        "service/wiring.py": "import service.settings, vault, audit, tlog, fastapi",
        "archive/intake.py": "import acts, policies, auth, audit, vault, tlog, foundation, sqlalchemy",
        "office/people.py": "import acts, policies, auth, audit, vault, foundation, sqlalchemy",
        "acts/deciding.py": "import policies, auth, audit, vault, foundation",
        "policies/decide.py": "import auth.principal, foundation.ids, foundation.errors",
        "auth/principal.py": "import foundation.ids",
        "auth/tokens.py": "from jose import jwt",
        "auth/passwords.py": "import argon2",
        "tlog/note.py": "from cryptography.hazmat.primitives.asymmetric import ed25519",
        "vault/sealing.py": "import cryptography, tlog.note, foundation",
        "service/cli/tour.py": "import petition_archive_client, rich, typer",
        "petition_archive_client/assertion.py": "import cryptography, httpx",
    }
    for name, statement in allowed.items():
        (empty_house / name).write_text(statement + "\n")
    done = _lint(empty_house)
    assert done.returncode == 0, done.stdout


def _names() -> dict[str, str]:
    return {contract["id"]: contract["name"] for contract in rules.PROJECT["tool"]["importlinter"]["contracts"]}
