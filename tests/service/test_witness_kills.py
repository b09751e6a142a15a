"""kill -9 at every step of a witness's work, and at any moment of two at once: it never cosigns two histories of one log."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from crash_rounds import steps_of_source
from foundation import steps
from service.witness.folder import hash_of
from service.witness.judging import Witness
from signed_log import SigningKey
from witness_scene import GrowingLog, made_witness, opened_witness

LOG = GrowingLog()
FORGED = GrowingLog(history="forged", branches_at=10)
COSIGNING = (
    "witness.remembered-written",
    "witness.remembered-renamed",
    "witness.kept-written",
    "witness.kept-renamed",
    "witness.cosigned",
)
# A log that is made known, and evidence that is kept: nothing is cosigned at either.
OTHERS = {f"witness.{name}-{end}" for name in ("trusted", "log-known", "contradicted", "made") for end in ("written", "renamed")}


class Life:
    """A child process that asks its own witness for one thing after another, and tells each answer through a pipe before the next."""

    def __init__(self, witness: Witness, asked: Sequence[bytes], step: str = "") -> None:
        self._read, write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._read)
            try:
                self._live(witness, asked, step, write)
            finally:
                os._exit(0)
        os.close(write)

    @staticmethod
    def _live(witness: Witness, asked: Sequence[bytes], step: str, write: int) -> None:
        def kill(reached: str) -> None:
            if reached == step:
                os.kill(os.getpid(), signal.SIGKILL)

        steps.install_hook(kill)
        for place, body in enumerate(asked):
            os.write(write, json.dumps([place, witness.add_checkpoint(body).status]).encode() + b"\n")

    def ended(self) -> list[tuple[int, int]]:
        """(place of the request, status) of every answer that was out before the process ended."""
        with os.fdopen(self._read) as told:
            answers = [tuple(json.loads(line)) for line in told.read().splitlines()]
        self.status = os.waitpid(self.pid, 0)[1]
        return answers


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A witness that has cosigned the ten entries both histories begin with."""
    assert made_witness(tmp_path / "w", LOG.vkey).add_checkpoint(LOG.ask(0, 10)).status == 200
    yield tmp_path / "w"
    steps.install_hook(None)


def test_every_step_of_the_witness_has_a_kill_aimed_at_it_or_cosigns_nothing() -> None:
    assert {step for step in steps_of_source() if step.startswith("witness.")} == {*COSIGNING, *OTHERS}


@pytest.mark.parametrize("step", COSIGNING)
@pytest.mark.parametrize(("first", "second"), [(LOG, FORGED), (FORGED, LOG)])
def test_a_witness_killed_at_any_step_cosigns_one_history_afterwards(
    folder: Path, step: str, first: GrowingLog, second: GrowingLog
) -> None:
    life = Life(opened_witness(folder), [first.ask(10, 20)], step)
    assert life.ended() == []
    assert life.status == signal.SIGKILL
    again = opened_witness(folder)
    known = again.folder.log_of(LOG.key.name)
    assert known is not None
    seen = again.folder.seen(known)
    # Before its memory was renamed nothing happened; from then on it is bound, though nobody was told.
    assert seen.size == (10 if step == "witness.remembered-written" else 20)
    cosigned = [
        log.history
        for log in (second, first)
        for new in (20, 25)
        for old in (10, 20)
        if again.add_checkpoint(log.ask(old, new)).status == 200
    ]
    assert len(set(cosigned)) == 1
    assert cosigned[0] == (second if seen.size == 10 else first).history
    assert list(folder.glob(".*.tmp")) + list(again.folder.memory.glob(".*.tmp")) == []


@pytest.mark.parametrize("step", sorted(OTHERS - {"witness.made-written", "witness.made-renamed"}))
def test_a_witness_killed_while_it_learns_of_a_log_or_keeps_evidence_is_made_good(folder: Path, step: str) -> None:
    other = GrowingLog(SigningKey.from_seed("archive.invalid/f-2", 8))
    pid = os.fork()
    if pid == 0:
        try:
            steps.install_hook(lambda reached: os.kill(os.getpid(), signal.SIGKILL) if reached == step else None)
            witness = opened_witness(folder)
            witness.folder.trust(other.vkey, other.note(3))
            witness.add_checkpoint(GrowingLog(history="forged").ask(10, 10))
        finally:
            os._exit(0)
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL
    again = opened_witness(folder)
    again.folder.trust(other.vkey, other.note(3))
    assert again.add_checkpoint(other.ask(3, 5)).status == 200
    assert again.add_checkpoint(GrowingLog(history="forged").ask(10, 10)).status == 422
    assert len(again.folder.logs()) == 2
    assert again.add_checkpoint(LOG.ask(10, 20)).status == 200


@pytest.mark.soak
def test_two_processes_killed_at_any_moment_never_cosign_two_histories(folder: Path, rounds: int) -> None:
    """Two processes are asked for opposite histories, and killed in the middle, again and again; every answer that got out is held
    against every other.
    """
    witness = opened_witness(folder)
    said: set[str] = set()
    top = 10
    for seed in range(12 * rounds):
        chance = random.Random(f"witness/{seed}")
        ways = [LOG, FORGED]
        chance.shuffle(ways)
        asked = [[way.ask(old, top + more) for more in (1, 2, 3) for old in range(max(10, top - 3), top + more)] for way in ways]
        lives = [Life(witness, one) for one in asked]
        time.sleep(chance.uniform(0, 0.03))
        for life in lives:
            os.kill(life.pid, signal.SIGKILL)
        for way, life in zip(ways, lives, strict=True):
            said |= {way.history for _, status in life.ended() if status == 200}
        known = witness.folder.log_of(LOG.key.name)
        assert known is not None
        top = witness.folder.seen(known).size
        note = (witness.folder.memory / f"{hash_of(LOG.key.name)}.checkpoint").read_bytes()
        said |= {way.history for way in ways if top > 10 and note.startswith(way.note(top).partition(b"\n\n")[0])}
        assert len(said) <= 1, f"seed {seed}"
    assert said
