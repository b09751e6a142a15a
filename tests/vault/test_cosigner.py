from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest

from signed_log import SigningKey
from tlog.errors import Malformed, SignatureInvalid
from tlog.note import COSIGNATURE_V1, VerifierKey, format_note, parse_note, verify_note
from vault.cosigner import Cosigner
from vault.errors import KeyRingDamaged, KeyRingExists, KeyRingExposed, KeyRingMissing, KeyRingWrong
from vault.keyring import KeyRing
from vault.unlock import Argon2Cost, Credential, Passphrase

CHECKPOINT = "archive.example/F001\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
UNLOCK = Passphrase("invented words for a test", Argon2Cost(memory_kib=8, iterations=1, lanes=1))


def test_the_cosignature_of_the_format_s_page_is_the_one_its_key_makes() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/formats/log.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^— witness\.example/w1 \S+\n", page, re.MULTILINE)
    (vkey,) = re.findall(r"^witness\.example/w1\+\S+$", page, re.MULTILINE)
    (text,) = re.findall(r"^archive\.example/fonds-1\n3\n\S+\n", page, re.MULTILINE)
    cosigner = Cosigner("witness.example/w1", bytes([9]) * 32)
    assert str(cosigner.verifier) == vkey
    assert cosigner.cosign(text, 1_700_000_000) == line


def test_a_cosignature_is_what_the_specification_says_by_another_program_s_hand() -> None:
    for seed, seconds in ((1, 1), (2, 1_700_000_000), (3, 2**63 - 1)):
        other = SigningKey.from_seed("witness.invalid/w1", seed)
        own = Cosigner("witness.invalid/w1", bytes([seed]) * 32)
        assert own.cosign(CHECKPOINT, seconds) == other.cosignature_line(CHECKPOINT, seconds)
        assert own.verifier == VerifierKey.parse(other.vkey(COSIGNATURE_V1))


def test_a_cosignature_holds_for_its_text_and_its_time_alone() -> None:
    cosigner = Cosigner("witness.invalid/w1", bytes(32))
    line = cosigner.cosign(CHECKPOINT, 1_700_000_000)
    assert verify_note(parse_note(format_note(CHECKPOINT, [line])), [cosigner.verifier]) == ((cosigner.verifier, 1_700_000_000),)
    with pytest.raises(SignatureInvalid):
        verify_note(parse_note(format_note(CHECKPOINT.replace("F001", "F002"), [line])), [cosigner.verifier])
    for seconds in (0, -1, 2**63):
        with pytest.raises(ValueError):
            cosigner.cosign(CHECKPOINT, seconds)


def test_a_witness_s_key_is_sealed_made_once_and_its_owner_s_alone(tmp_path: Path) -> None:
    path = tmp_path / "w" / "key"
    made = Cosigner.make(path, "witness.invalid/w1", UNLOCK)
    assert Cosigner.load(path, UNLOCK).verifier == made.verifier
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert b"witness.invalid" not in path.read_bytes()
    with pytest.raises(KeyRingExists):
        Cosigner.make(path, "witness.invalid/w2", UNLOCK)
    with pytest.raises(KeyRingWrong):
        Cosigner.load(path, Passphrase("other words for a test", UNLOCK.cost))
    with pytest.raises(KeyRingMissing):
        Cosigner.load(path.with_name("absent"), UNLOCK)
    path.chmod(0o640)
    with pytest.raises(KeyRingExposed):
        Cosigner.load(path, UNLOCK)
    credential = Credential.make(tmp_path / "credential")
    by_file = Cosigner.make(tmp_path / "w2" / "key", "witness.invalid/w1", credential)
    assert Cosigner.load(tmp_path / "w2" / "key", credential).verifier == by_file.verifier != made.verifier


def test_a_bad_name_makes_no_key_and_an_archive_s_ring_is_no_witness_s_key(tmp_path: Path) -> None:
    for name in ("", "has space", "has+plus"):
        with pytest.raises(Malformed):
            Cosigner.make(tmp_path / "key", name, UNLOCK)
    assert not (tmp_path / "key").exists()
    KeyRing.create(tmp_path / "keys" / "ring", UNLOCK, archive_id="a", archive_name="archive.invalid")
    with pytest.raises(KeyRingDamaged):
        Cosigner.load(tmp_path / "keys" / "ring", UNLOCK)


def test_a_cosigner_tells_its_seed_to_nobody() -> None:
    cosigner = Cosigner("witness.invalid/w1", bytes([5]) * 32)
    assert repr(cosigner) == "<Cosigner witness.invalid/w1>"
    with pytest.raises(TypeError):
        pickle.dumps(cosigner)
