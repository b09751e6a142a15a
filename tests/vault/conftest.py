from __future__ import annotations

from pathlib import Path

import pytest

from vault.keyring import KeyRing
from vault.unlock import Credential

ARCHIVE_ID = "01890000-0000-7000-8000-0000000000aa"


@pytest.fixture
def key_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def credential(key_folder: Path) -> Credential:
    return Credential.make(key_folder / "credential")


@pytest.fixture
def ring(key_folder: Path, credential: Credential) -> KeyRing:
    made = KeyRing.create(key_folder / "ring", credential, archive_id=ARCHIVE_ID, archive_name="archive.example")
    made.add_fonds("F001")
    return made
