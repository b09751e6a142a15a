"""No key and no clear text in anything a program prints, logs or raises."""

from __future__ import annotations

import base64
import copy
import hashlib
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from foundation.clock import MovableClock
from foundation.ids import new_id
from foundation.tables import SYSTEM_FONDS
from vault.casekeys import CaseKeys, DataKey
from vault.details import open_detail, seal_detail
from vault.errors import CannotOpen
from vault.keyring import KeyRing
from vault.ringfile import FileKey
from vault.sealed import Context
from vault.sealing import open_fields, open_masks, seal_masks, seal_record
from vault.signer import LogSigner, TokenKeys
from vault.suites import AES
from vault.unlock import Argon2Cost, Credential, Passphrase
from vault.wraps import issue_case_keys, unwrap_data_key

PASSPHRASE = "a passphrase of several words"


def spellings(secret: bytes) -> Iterator[str]:
    yield repr(secret)[2:-1]
    yield secret.hex()
    yield base64.b64encode(secret).decode().rstrip("=")
    yield base64.urlsafe_b64encode(secret).decode().rstrip("=")
    yield str(list(secret))[1:-1]


def everything(ring: KeyRing, credential: Credential) -> tuple[list[Any], list[bytes]]:
    """Objects that hold secrets, and the secrets they hold."""
    ring.add_fonds(SYSTEM_FONDS)
    keys, rows = issue_case_keys(ring, "F001", new_id(), retention_class="y30", year=2057)
    blind = ring.blind_keys("F001", "name")
    tokens, signer = TokenKeys.of(ring), LogSigner.of(ring, "F001")
    kek = ring.kek("F001", "case/y30/2057/1")
    field_key = keys.data.field_key("appeal")
    passphrase = Passphrase(PASSPHRASE, Argon2Cost(64, 1, 1))
    file_key = FileKey.derive(passphrase, passphrase.terms(), AES)
    detail_key = ring.detail_key("F001")
    ring_keys = [ring.key(fonds, info.id) for fonds in ring.fonds() for info in ring.keys(fonds)]
    objects = [
        *(ring, ring._state, ring._file, ring._key, keys, keys.data, keys.masks, rows, *blind, tokens, tokens.signing),
        *(
            signer,
            kek,
            field_key,
            passphrase,
            file_key,
            detail_key,
            *ring_keys,
            ring.keys("F001"),
            credential,
            ring._state.keys,
            ring._state.keks,
        ),
    ]
    secrets = [key.reveal() for key in ring_keys] + [key.reveal() for key in (keys.data, keys.masks, detail_key)] + [field_key.reveal()]
    secrets += [file_key.secret, ring._key.secret, credential.path.read_bytes(), PASSPHRASE.encode()]
    secrets += [line.encode() for line in tokens.signing.private_pem.splitlines()[1:-1]]
    return objects, secrets


def assert_silent(text: str, secrets: list[bytes]) -> None:
    for secret in secrets:
        for spelling in spellings(secret):
            assert spelling not in text


def test_no_object_shows_key_bytes_in_repr_str_or_format(ring: KeyRing, credential: Credential) -> None:
    objects, secrets = everything(ring, credential)
    for value in objects:
        assert_silent(f"{value!r} {value!s} {value}", secrets)


def test_objects_that_hold_keys_cannot_be_pickled(ring: KeyRing) -> None:
    keys = CaseKeys.make()
    held = (ring._state, ring._key, ring.key("F001", "log/1"), *ring.blind_keys("F001", "name"), LogSigner.of(ring, "F001"))
    for value in (ring, keys, keys.data, keys.masks, keys.data.field_key("appeal"), *held):
        with pytest.raises(TypeError):
            pickle.dumps(value)
        with pytest.raises(TypeError):
            copy.deepcopy(value)


def test_no_error_of_the_vault_carries_key_bytes_clear_text_or_a_cause(ring: KeyRing, credential: Credential, clock: MovableClock) -> None:
    objects, secrets = everything(ring, credential)
    clear = "保密的内容"
    case_id = new_id()
    context = Context("F001", case_id, 1, "1.0")
    keys, rows = issue_case_keys(ring, "F001", case_id, retention_class="y30", year=2057)
    stranger = CaseKeys.make()
    blob = seal_record(keys.data, context, {("appeal", ""): clear.encode()})
    masks = seal_masks(keys.masks, context, clear.encode())
    detail = seal_detail(keys.data, "F001", "reason", clear, case_id=case_id)
    secrets += [keys.data.reveal(), keys.masks.reveal(), stranger.data.reveal(), clear.encode()]
    other_case = type(rows[0])("F001", new_id(), 1, "case", rows[0].kek_id, rows[0].wrapped)
    attempts: list[Callable[[], object]] = [
        lambda: open_fields(blob, stranger.data, context),
        lambda: open_masks(masks, stranger.masks, context),
        lambda: open_detail(stranger.data, "F001", "reason", detail, case_id=case_id),
        lambda: unwrap_data_key(ring, other_case),
        lambda: DataKey(keys.data.reveal() + b"x"),
        lambda: ring.kek("F001", "case/y30/2099/1"),
        lambda: ring.destroy_generation("F001", "case/y30/2057/1", clock.now()),
        lambda: KeyRing.load(ring.path, Passphrase(PASSPHRASE)),
        lambda: KeyRing.load(ring.path, credential, archive_id="another"),
    ]
    assert objects
    for attempt in attempts:
        with pytest.raises(Exception) as caught:
            attempt()
        error = caught.value
        shown = "".join(traceback.format_exception(error)) + repr(error) + repr(getattr(error, "params", ""))
        shown += getattr(error, "text_zh", "") + getattr(error, "text_en", "")
        assert_silent(shown, secrets)
        assert clear not in shown
        if isinstance(error, CannotOpen):
            assert error.params == {}


def test_a_container_shows_no_clear_text_and_no_digest_of_it() -> None:
    clear = b"999999189913320000"
    keys = CaseKeys.make()
    context = Context("F001", new_id(), 1, "1.0")
    blob = seal_record(keys.data, context, {("petitioners[].id_number", new_id()): clear})
    for spelling in (clear, clear.decode().encode("utf-16-le"), clear.hex().encode(), base64.b64encode(clear)):
        assert spelling not in blob
    for kind in {"md5", "sha1", "sha256", "sha512", "sm3"} & hashlib.algorithms_available:
        assert hashlib.new(kind, clear).digest() not in blob


_UNLOCKS = """
import resource, sys
from pathlib import Path
from vault.keyring import KeyRing
from vault.unlock import Credential
_, hard = resource.getrlimit(resource.RLIMIT_CORE)
resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
folder = Path(sys.argv[1])
if sys.argv[2] == "load":
    KeyRing.load(folder / "ring", Credential(folder / "credential"))
else:
    KeyRing.create(folder / "ring", Credential(folder / "credential"), archive_id="x", archive_name="archive.example")
print(resource.getrlimit(resource.RLIMIT_CORE))
"""


@pytest.mark.parametrize("act", ["create", "load"])
def test_a_process_that_holds_keys_leaves_no_core_file(act: str, key_folder: Path, credential: Credential) -> None:
    if act == "load":
        KeyRing.create(key_folder / "ring", credential, archive_id="x", archive_name="archive.example")
    ran = subprocess.run([sys.executable, "-c", _UNLOCKS, str(key_folder), act], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "(0, 0)"
