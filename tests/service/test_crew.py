"""Preparing processes: the answers of one process, nothing lost when one dies, no secret in sight, and none that outlives its parent."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from archive.errors import PreparationInterrupted
from archive.intake import deposit_in_units, deposit_many
from archive.preparing import Outcome, Prepared, Tools, prepare_all, tools_of
from archive.receipts import Receipt
from archive.tables import cases
from case_world import FONDS, World, make_world
from foundation.clock import MovableClock
from foundation.database import Database
from foundation.errors import ArchiveError, Fault, InvalidInput
from fresh_databases import FreshDatabases
from petition_records import accusation, minimal, typical
from service.crew import FAILURES, SMALL, Crew
from service.wiring import Settings
from vault.keyring import KeyRing
from vault.sealed import Context
from vault.sealing import open_fields, open_masks
from vault.unlock import Credential, Passphrase
from vault.wraps import unwrap_data_key, unwrap_mask_key

WORDS = "a passphrase of the tests 长口令"


@pytest.fixture
def world(fresh_databases: FreshDatabases, clock: MovableClock, tmp_path: Path) -> Iterator[World]:
    with fresh_databases.fresh("sqlite") as urls:
        database = Database(urls.application)
        made = make_world(database, clock, tmp_path)
        try:
            yield made
        finally:
            made.desk.uow.close()
            database.close()


@pytest.fixture
def crew(world: World, tmp_path: Path) -> Iterator[Crew]:
    made = Crew(2, (world.desk.keys.path, Credential(tmp_path / "keys" / "credential"), world.desk.keys.archive_id, tmp_path / "rulebook"))
    try:
        yield made
    finally:
        made.close()


def at_work(crew: Crew, world: World) -> Crew:
    """The crew once all its hands are ready."""
    tools, records = tools_of(world.desk, FONDS), [minimal()] * SMALL
    wait_until(lambda: crew.prepare(tools, FONDS, records) is not None and all(hand.worked for hand in crew._hands))
    return crew


def process_ids(crew: Crew) -> list[int]:
    return [hand.process.pid for hand in crew._hands]


def wait_until(fulfilled: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not fulfilled():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def there(process_id: int) -> bool:
    """Whether a process lives; one that ended and was not waited for yet does not."""
    with suppress(OSError):
        return Path(f"/proc/{process_id}/stat").read_text("ascii").rsplit(")", 1)[1].split()[0] != "Z"
    return False


def stored(world: World) -> int:
    with world.desk.db.read() as conn:
        return int(conn.execute(select(func.count()).select_from(cases)).scalar_one())


def mixed(count: int, seed: int) -> list[object]:
    """Good records, records with a mistake somewhere, and things that are no records, as values and as bytes."""
    chance = random.Random(seed)
    made: list[object] = []
    for number in range(count):
        record: Any = chance.choice([minimal, typical, accusation])() | {"case_no": f"M-{seed}-{number}"}
        for _ in range(chance.randrange(3) if chance.random() < 0.6 else 0):
            key = chance.choice(list(record))
            record[key] = chance.choice([None, 7, "", "x" * 3000, "机密★10年", ["a"], {"b": 1}, "\u202e", "2099-01-01", record[key]])
        if chance.random() < 0.2:
            record[chance.choice(["ethnicity", "nonsense", "titel"])] = "示例"
        if chance.random() < 0.1:
            record = chance.choice([[], "text", 5, None])
        if chance.random() < 0.3:
            record = json.dumps(record, ensure_ascii=False).encode()[: None if chance.random() < 0.8 else 40]
        made.append(record)
    return made


def told(ring: KeyRing, outcome: Outcome) -> object:
    """All there is to an outcome but what is drawn at random: ids, keys and nonces; what was sealed is opened."""
    if isinstance(outcome, InvalidInput):
        return outcome.faults
    one = outcome
    data, masks = one.wraps
    context = Context(FONDS, one.case_id, one.version, "1")
    ids = {item: f"{group}-{index}" for group, items in json.loads(one.version_row["item_ids"]).items() for index, item in enumerate(items)}
    opened = open_fields(one.seal_row["record"], unwrap_data_key(ring, data), context)
    own = {"case_id", "item_ids", "record", "masks"}
    rows = [one.head, one.version_row, one.seal_row, one.mask_row, *one.units, *one.walls, *one.named]
    return (
        (one.tags, one.terms),
        [{name: value for name, value in row.items() if name not in own} for row in rows],
        {(path, ids.get(item, item)): content for (path, item), content in opened.items()},
        open_masks(one.mask_row["masks"], unwrap_mask_key(ring, masks), context),
        (one.plain, one.digest, one.names, one.source_system, one.case_no, data.kek_id, masks.kek_id),
    )


@pytest.mark.parametrize("seed", range(6))
def test_the_crew_and_one_process_make_the_same_of_good_and_bad_records(world: World, crew: Crew, seed: int) -> None:
    tools, records = tools_of(world.desk, FONDS), mixed(SMALL + 37, seed)
    by_crew = at_work(crew, world).prepare(tools, FONDS, records)
    assert by_crew is not None
    here = prepare_all(tools, FONDS, records)
    assert {type(one) for one in here} == {Prepared, InvalidInput}
    assert [told(world.desk.keys, one) for one in by_crew] == [told(world.desk.keys, one) for one in here]


def test_answers_of_the_crew_stand_in_order_beside_parse_faults(world: World, crew: Crew) -> None:
    fault = InvalidInput([Fault("$", "cut-off", "断开", "cut off")])
    records: list[object] = [world.record(case_no=f"O-{number}") for number in range(SMALL)]
    records[3:3] = [fault, world.record(case_no="O-bad", title=5), world.record(case_no="O-foreign", source_system="another")]
    answers = deposit_many(world.desk, world.system, records, preparers=at_work(crew, world))
    assert answers[3] is fault
    refused = [one.faults[0].rule for one in answers[4:6] if isinstance(one, InvalidInput)]
    assert refused == ["type", "source-of-another"]
    good = [one.case_no for one in answers if isinstance(one, Receipt)]
    assert good == [f"O-{number}" for number in range(SMALL)]


def test_few_records_and_records_before_the_crew_is_ready_are_prepared_here(world: World, crew: Crew) -> None:
    tools = tools_of(world.desk, FONDS)
    assert crew.prepare(tools, FONDS, [minimal()] * (SMALL - 1)) is None
    assert process_ids(crew) == []
    assert crew.prepare(tools, FONDS, [minimal()] * SMALL) is None
    assert len(process_ids(crew)) == 2


def test_the_crew_leaves_rules_it_does_not_have_to_the_process_that_has_them(world: World, crew: Crew) -> None:
    tools, records = tools_of(world.desk, FONDS), [minimal()] * SMALL
    at_work(crew, world)
    other = replace(tools, rulebook=replace(tools.rulebook, version="0" * 64))
    assert crew.prepare(other, FONDS, records) is None
    assert crew.prepare(tools, FONDS, records) is not None


def test_a_killed_hand_loses_nothing_acknowledged_and_the_unit_can_be_sent_again(world: World, crew: Crew) -> None:
    records = [world.record(case_no=f"K-{number}") for number in range(SMALL)]
    victim = process_ids(at_work(crew, world))[0]
    first = deposit_many(world.desk, world.system, records[:2])
    os.kill(victim, signal.SIGSTOP)  # so that it is killed with its part in hand
    killer = subprocess.Popen(["sh", "-c", f"sleep 0.5; kill -9 {victim}"])
    with pytest.raises(PreparationInterrupted) as caught:
        deposit_many(world.desk, world.system, records, preparers=crew)
    killer.wait()
    assert caught.value.code == "preparation-interrupted"
    assert stored(world) == 2
    assert [one.kind for one in world.entries("case.deposited", "deposit.repeated")] == ["case.deposited"] * 2
    again = deposit_many(world.desk, world.system, records, preparers=crew)
    assert [one.status for one in again if isinstance(one, Receipt)] == ["same", "same", *["created"] * (SMALL - 2)]
    assert [one.digest for one in again[:2] if isinstance(one, Receipt)] == [one.digest for one in first if isinstance(one, Receipt)]
    wait_until(lambda: len(process_ids(at_work(crew, world))) == 2)
    assert victim not in process_ids(crew)


def test_a_crew_that_cannot_open_the_key_ring_is_given_up_and_work_goes_on(world: World, tmp_path: Path) -> None:
    wrong = Credential.make(tmp_path / "keys" / "another")
    crew = Crew(2, (world.desk.keys.path, wrong, world.desk.keys.archive_id, tmp_path / "rulebook"))
    tools = tools_of(world.desk, FONDS)

    def given_up() -> bool:
        assert crew.prepare(tools, FONDS, [minimal()] * SMALL) is None
        return crew._failed >= FAILURES and not process_ids(crew)

    try:
        wait_until(given_up)
        assert crew.prepare(tools, FONDS, [minimal()] * SMALL) is None
        assert process_ids(crew) == []
    finally:
        crew.close()


def test_a_machine_that_starts_no_process_more_prepares_here(world: World, crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        raise BlockingIOError

    monkeypatch.setattr("service.crew.subprocess.Popen", refuse)
    assert crew.prepare(tools_of(world.desk, FONDS), FONDS, [minimal()] * SMALL) is None
    assert process_ids(crew) == []


def test_no_secret_stands_in_a_hands_command_line_or_environment_and_it_leaves_no_core(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARCHIVE_KEY_RING_PASSPHRASE", WORDS)
    ring = KeyRing.create(
        tmp_path / "second" / "ring", Passphrase(WORDS), archive_id=world.desk.keys.archive_id, archive_name="second.example"
    )
    ring.add_fonds(FONDS)
    crew = Crew(1, (ring.path, Passphrase(WORDS), ring.archive_id, tmp_path / "rulebook"))
    try:
        at_work(crew, world)
        (hand,) = process_ids(crew)
        for name in ("cmdline", "environ"):
            content = Path(f"/proc/{hand}/{name}").read_bytes()
            assert content
            assert WORDS.encode() not in content
        limits = Path(f"/proc/{hand}/limits").read_text("ascii")
        assert next(line.split()[4:6] for line in limits.splitlines() if line.startswith("Max core")) == ["0", "0"]
    finally:
        crew.close()


def test_hands_find_a_key_ring_named_from_the_working_folder_and_take_no_code_from_it(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pickle.py").write_text("raise SystemExit(3)", encoding="utf-8")
    crew = Crew(1, (Path("keys/ring"), Credential(Path("keys/credential")), world.desk.keys.archive_id, Path("rulebook")))
    try:
        at_work(crew, world)
        assert crew._failed == 0
    finally:
        crew.close()


def test_hands_end_with_their_crew_and_answer_no_signal_meant_for_it(world: World, crew: Crew) -> None:
    hands = process_ids(at_work(crew, world))
    for hand in hands:
        os.kill(hand, signal.SIGTERM)
        os.kill(hand, signal.SIGINT)
    records = [world.record(case_no=f"S-{number}") for number in range(SMALL)]
    assert all(isinstance(one, Receipt) for one in deposit_many(world.desk, world.system, records, preparers=crew))
    assert process_ids(crew) == hands
    crew.close()
    assert not any(map(there, hands))
    assert crew.prepare(tools_of(world.desk, FONDS), FONDS, [minimal()] * SMALL) is None


def test_hands_die_with_a_parent_that_is_killed(world: World, tmp_path: Path) -> None:
    program = f"""
        import sys, time
        from pathlib import Path
        from service.crew import Crew
        from vault.unlock import Credential
        keys = Path({str(tmp_path / "keys")!r})
        crew = Crew(2, (keys / "ring", Credential(keys / "credential"), {world.desk.keys.archive_id!r}, keys / "none"))
        crew._free(2)
        while len(found := crew._free(2)) < 2:
            for one in found:
                crew._idle.put(one)
            time.sleep(0.05)
        print(*[hand.process.pid for hand in crew._hands], flush=True)
        time.sleep(600)
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    hands = [int(word) for word in parent.stdout.readline().split()]
    assert len(hands) == 2
    assert all(map(there, hands))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: not any(map(there, hands)))


class _Watched:
    """Prepares here, and notes how far ahead of the answers it was asked to."""

    def __init__(self, failing: int = -1) -> None:
        self.begun = 0
        self.failing = failing

    def prepare(self, tools: Tools, fonds: str, records: Sequence[object]) -> list[Outcome] | None:
        self.begun += 1
        if self.begun == self.failing:
            raise PreparationInterrupted
        return prepare_all(tools, fonds, records)


def test_one_unit_is_prepared_while_another_is_stored_and_never_two(world: World) -> None:
    watched = _Watched()
    units = [[world.record(case_no=f"U-{unit}-{number}") for number in range(2)] for unit in range(5)]
    answered: list[str] = []
    for done, answers in enumerate(deposit_in_units(world.desk, world.system, units, preparers=watched), start=1):
        assert watched.begun <= done + 1
        answered += [one.case_no for one in answers if isinstance(one, Receipt)]
    assert answered == [record["case_no"] for unit in units for record in unit]


def test_what_was_stored_before_an_interrupted_unit_is_answered(world: World) -> None:
    units = [[world.record(case_no=f"I-{unit}")] for unit in range(3)]
    answered: list[Receipt | ArchiveError] = []
    answering = deposit_in_units(world.desk, world.system, units, preparers=_Watched(failing=3))
    answered += next(answering)
    answered += next(answering)
    with pytest.raises(PreparationInterrupted):
        next(answering)
    assert [one.case_no for one in answered if isinstance(one, Receipt)] == ["I-0", "I-1"]
    assert stored(world) == 2


def test_a_crew_of_none_starts_no_process_and_a_setting_says_how_many(world: World) -> None:
    crew = Crew(0, (Path("ring"), Passphrase(WORDS), world.desk.keys.archive_id, Path("rulebook")))
    assert crew.prepare(tools_of(world.desk, FONDS), FONDS, [minimal()] * SMALL) is None
    assert process_ids(crew) == []
    cores = len(os.sched_getaffinity(0))
    assert [Settings(preparers=number).crew_size for number in (0, 3, None)] == [0, 3, cores if cores > 1 else 0]
