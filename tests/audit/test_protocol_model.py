"""The log's protocol, searched through all its interleavings by spin: the claims hold, and no guard stands there for nothing."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

MODEL = Path(__file__).resolve().parents[2] / "docs/formats/log-protocol.pml"
INSIDER = ("INSIDER", "CRASHES=0", "RESTORES=0")  # bounded, so that its search ends in a second

pytestmark = pytest.mark.spin

WITHOUT = {
    ("HEAD_LOCK",): "found",
    ("COMMIT_FIRST",): "found",
    ("ANCHOR_CHECK",): "shown_",
    ("ANCHOR_FIRST",): "shown_",
    ("NEW_LIFE",): "shown_at",
    ("ONE_SIGNER", "SIGNED_ONCE"): "shown_size",
}


def _search(folder: Path, *defined: str) -> tuple[int, str]:
    """Search all states of the model; the number of errors, and the first assertion that failed."""
    flags = [f"-D{one}" for one in defined]
    subprocess.run(["spin", *flags, "-a", MODEL], cwd=folder, check=True, capture_output=True, timeout=60)
    # -w: what spin generates is not ours to warn about.
    subprocess.run(["cc", "-w", "-O2", "-DSAFETY", "-DCOLLAPSE", "-o", "pan", "pan.c"], cwd=folder, check=True, timeout=120)
    done = subprocess.run(["./pan", "-E", "-m200000", "-w22"], cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    said = done.stdout
    assert "max search depth too small" not in said, "states were cut off"
    assert "out of memory" not in said
    errors = re.search(r"errors: (\d+)", said)
    assert errors, said
    failed = re.search(r"assertion violated (.+) \(at depth", said)
    return int(errors[1]), failed[1] if failed else ""


def test_the_protocol_keeps_its_claims_in_every_interleaving(tmp_path: Path) -> None:
    assert _search(tmp_path) == (0, "")


def test_a_witness_keeps_its_word_against_who_holds_database_and_key(tmp_path: Path) -> None:
    assert _search(tmp_path, *INSIDER) == (0, "")
    errors, failed = _search(tmp_path, *INSIDER, "NO_WITNESS_PROOF")
    assert errors == 1
    assert "cosigned_at" in failed


@pytest.mark.parametrize("guards", WITHOUT, ids="+".join)
def test_a_claim_fails_when_a_guard_is_taken_out(guards: tuple[str, ...], tmp_path: Path) -> None:
    errors, failed = _search(tmp_path, *(f"NO_{guard}" for guard in guards))
    assert errors == 1
    assert WITHOUT[guards] in failed


@pytest.mark.parametrize("guard", ["ONE_SIGNER", "SIGNED_ONCE"])
def test_either_guard_of_the_signer_is_enough_alone(guard: str, tmp_path: Path) -> None:
    assert _search(tmp_path, f"NO_{guard}") == (0, "")


def test_every_guard_of_the_model_is_taken_out_here() -> None:
    named = set(re.findall(r"\bNO_([A-Z_]+)\b", MODEL.read_text(encoding="utf-8")))
    assert named == {guard for guards in WITHOUT for guard in guards} | {"WITNESS_PROOF"}
