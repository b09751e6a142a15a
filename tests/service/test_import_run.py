"""An import tells the truth about every row, repeats nothing of a row, and goes on after a kill without doubles."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from file_archive import FileArchive
from policies.rulebook.load import base
from policies.validation import validate
from service.generator.cases import generate
from service.importing.depositor import Answer
from service.importing.errors import ImportBusy, StateRefused
from service.importing.mapping import Mapping, load
from service.importing.report import Progress, Summary
from service.importing.run import Options, dry_run, error_rows_path, import_file, state_path
from service.importing.state import ImportState, digest_of

ROOT = Path(__file__).resolve().parents[2]
MAPPING = ROOT / "examples" / "import" / "message-board.toml"
RULEBOOK = base()
HEADER = ["留言编号", "留言用户", "留言主题", "留言时间", "留言详情", "答复意见", "答复时间"]
TODAY = date(2026, 11, 22)


@pytest.fixture
def mapping() -> Mapping:
    return load(MAPPING, RULEBOOK)


def check(record: dict[str, Any]) -> object:
    return validate(record, RULEBOOK, today=TODAY)


def table(path: Path, rows: Iterable[list[str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(rows)
    return path


def board(count: int) -> list[list[str]]:
    """Rows of a message board, invented."""
    return [
        [
            str(1000 + number),
            f"UU00{number}",
            case["title"],
            "2024/3/5 10:00:00",
            f"\t\t{case['content']}\n",
            "\u3000已收悉",
            "2024/4/2 9:00:00",
        ]
        for number, case in enumerate(generate(count, 11))
    ]


def reason_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_every_row_is_deposited_once_and_the_import_can_be_repeated(tmp_path: Path, mapping: Mapping) -> None:
    source = table(tmp_path / "t.csv", board(30))
    archive = FileArchive(tmp_path / "kept")
    first = import_file(source, mapping, archive)
    assert (first.rows, first.created, first.same, first.resumed, first.refused) == (30, 30, 0, 0, 0)
    again = import_file(source, mapping, archive)
    assert (again.rows, again.created, again.resumed) == (30, 0, 30)
    state_path(source).unlink()
    without_state = import_file(source, mapping, archive)
    assert (without_state.created, without_state.same) == (0, 30)


def test_a_kill_at_any_moment_leaves_no_case_doubled_and_none_missing(tmp_path: Path, mapping: Mapping) -> None:
    source = table(tmp_path / "t.csv", board(150))
    kept = tmp_path / "kept"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests" / "support")))}
    seed = random.Random(20240305)
    killed = 0
    for _ in range(5):
        moment = [str(seed.randint(1, 40)), seed.choice(["before", "after"])]
        command = [sys.executable, "-m", "file_archive", str(source), str(MAPPING), str(kept), *moment]
        killed += subprocess.run(command, env=environment, cwd=tmp_path, check=False).returncode == -signal.SIGKILL
    assert killed >= 3
    summary = import_file(source, mapping, FileArchive(kept), mapping_digest=digest_of(MAPPING))
    lines = [json.loads(line)["case_no"] for line in kept.read_bytes().splitlines()]
    assert sorted(lines) == sorted(str(1000 + number) for number in range(150))
    assert summary.created + summary.same + summary.resumed == 150


def test_answers_already_kept_are_not_asked_for_again(tmp_path: Path, mapping: Mapping) -> None:
    source = table(tmp_path / "t.csv", board(20))
    asked: list[int] = []

    class Half(FileArchive):
        def deposit_many(self, records: Iterable[tuple[int, dict[str, Any]]]) -> Iterator[tuple[int, Answer]]:
            for number, answer in super().deposit_many(records):
                if len(asked) == 8:
                    raise ConnectionError
                asked.append(number)
                yield number, answer

    with pytest.raises(ConnectionError):
        import_file(source, mapping, Half(tmp_path / "kept"))
    summary = import_file(source, mapping, FileArchive(tmp_path / "kept"))
    assert (summary.resumed, summary.same, summary.created) == (8, 1, 11)


def test_a_table_or_mapping_that_changed_begins_anew(tmp_path: Path, mapping: Mapping) -> None:
    source = table(tmp_path / "t.csv", board(5))
    archive = FileArchive(tmp_path / "kept")
    import_file(source, mapping, archive, mapping_digest="one")
    assert import_file(source, mapping, archive, mapping_digest="two").resumed == 0
    table(source, board(6))
    grown = import_file(source, mapping, archive, mapping_digest="two")
    assert (grown.resumed, grown.same, grown.created) == (0, 5, 1)


def test_two_imports_of_one_file_at_once_are_refused(tmp_path: Path, mapping: Mapping) -> None:
    source = table(tmp_path / "t.csv", board(2))
    with ImportState(state_path(source), {"format": "x"}), pytest.raises(ImportBusy):
        import_file(source, mapping, FileArchive(tmp_path / "kept"))


def test_a_state_line_cut_by_a_kill_is_dropped_and_a_damaged_one_is_refused(tmp_path: Path, mapping: Mapping) -> None:
    source = table(tmp_path / "t.csv", board(4))
    archive = FileArchive(tmp_path / "kept")
    import_file(source, mapping, archive)
    content = state_path(source).read_bytes()
    state_path(source).write_bytes(content[:-2])
    cut = import_file(source, mapping, archive)
    assert (cut.resumed, cut.same) == (3, 1)
    state_path(source).write_bytes(content.replace(b"c 3\n", b"c x\n"))
    with pytest.raises(StateRefused) as refusal:
        import_file(source, mapping, archive)
    assert refusal.value.params["line"] == 3


def test_the_files_beside_the_input_are_the_owners_alone(tmp_path: Path, mapping: Mapping) -> None:
    rows = board(3)
    rows[1][3] = "前天"
    source = table(tmp_path / "t.csv", rows)
    old = os.umask(0)
    try:
        import_file(source, mapping, FileArchive(tmp_path / "kept"))
    finally:
        os.umask(old)
    assert {path.stat().st_mode & 0o777 for path in (state_path(source), error_rows_path(source))} == {0o600}


def broken_board() -> list[list[str]]:
    rows = board(8)
    rows[1][3] = "前天"
    rows[2][2] = ""
    rows[3][6] = "2024/3/1 8:00:00"
    rows[4][4] = "机密的\u202e内容"
    rows[5][0] = "=HYPERLINK(1)"
    rows[5][3] = "？"
    rows[6][6] = "2031/1/1"
    return rows


def test_every_refused_row_has_its_reasons_and_a_summary_counts_them(tmp_path: Path, mapping: Mapping) -> None:
    source = table(tmp_path / "t.csv", broken_board())
    summary = dry_run(source, mapping, check)
    assert (summary.rows, summary.created, summary.refused) == (8, 2, 6)
    assert summary.reasons == {
        ("date-not-readable", "petition_date"): 2,
        ("date-not-readable", "registered_at"): 2,
        ("required-always", "title"): 1,
        ("closed-after-petition", "closed_at"): 1,
        ("bidi-control", "content"): 1,
        ("bidi-control", "summary"): 1,
        ("future", "closed_at"): 1,
        ("future", "replies[].issued_at"): 1,
    }
    lines = reason_rows(error_rows_path(source))
    assert {line["行号 row"] for line in lines} == {"3", "4", "5", "6", "7", "8"}
    assert all(line["规则 rule"] and line["说明"] and line["explanation"] for line in lines)


def test_the_error_rows_file_tells_no_cell_unless_asked_and_no_formula_ever(tmp_path: Path, mapping: Mapping) -> None:
    rows = broken_board()
    source = table(tmp_path / "t.csv", rows)
    dry_run(source, mapping, check)
    text = error_rows_path(source).read_text(encoding="utf-8-sig")
    assert not any(cell in text for row in rows for cell in (row[1], row[4].strip()) if cell)
    assert "'=HYPERLINK" in text
    dry_run(source, mapping, check, options=Options(with_cells=True))
    with_cells = reason_rows(error_rows_path(source))
    assert with_cells[0]["留言详情"] == f"'{rows[1][4]}"
    assert not any(value.startswith(("=", "+", "@", "\t")) for line in with_cells for value in line.values())


def test_an_error_rows_file_of_an_earlier_run_does_not_outlive_the_next(tmp_path: Path, mapping: Mapping) -> None:
    source = table(tmp_path / "t.csv", broken_board())
    assert dry_run(source, mapping, check).error_rows == error_rows_path(source)
    table(source, board(3))
    assert dry_run(source, mapping, check).error_rows is None
    assert not error_rows_path(source).exists()


def test_a_dry_run_deposits_nothing_and_keeps_no_state(tmp_path: Path, mapping: Mapping) -> None:
    source = table(tmp_path / "t.csv", board(3))
    before = sorted(tmp_path.iterdir())
    assert dry_run(source, mapping, check).dry_run
    assert sorted(tmp_path.iterdir()) == before


def test_a_case_number_twice_in_one_file_is_the_same_case_or_refused_with_what_to_do(tmp_path: Path, mapping: Mapping) -> None:
    rows = board(3)
    other = [*rows[0]]
    other[5] = "另一答复"
    source = table(tmp_path / "t.csv", [*rows[1:], rows[0], other])
    same = table(tmp_path / "s.csv", [rows[0], rows[1], rows[2]])
    for summary in (dry_run(source, mapping, check), import_file(source, mapping, FileArchive(tmp_path / "kept"))):
        assert (summary.created, summary.refused) == (3, 1)
        assert summary.reasons == {("already-deposited", ""): 1}
        (line,) = reason_rows(error_rows_path(source))
        assert "补充归档" in line["说明"]
        assert "Use a supplement" in line["explanation"]
    assert import_file(same, mapping, FileArchive(tmp_path / "kept")).same == 3


def test_a_repeat_is_told_from_the_file_and_linked_to_the_earliest(tmp_path: Path, mapping: Mapping) -> None:
    rows = board(4)
    earlier = ["1", rows[2][1], rows[2][2], "2024/3/4 23:00:00", rows[2][4].strip(), "另复", "2024/4/3 9:00:00"]
    source = table(tmp_path / "t.csv", [*rows, earlier])
    archive = FileArchive(tmp_path / "kept")
    import_file(source, mapping, archive)
    repeat, first = archive.kept["message-board/1002"], archive.kept["message-board/1"]
    assert (repeat["is_repeat"], repeat["repeat_of_case_no"]) == (True, "1")
    assert repeat["provenance"]["is_repeat"] == "derived"
    assert (first["is_repeat"], first["provenance"]["is_repeat"]) == (None, "unknown")
    assert "repeat_of_case_no" not in first


def test_a_file_that_breaks_off_is_imported_up_to_there_and_says_where(tmp_path: Path, mapping: Mapping) -> None:
    source = table(tmp_path / "t.csv", board(3))
    with source.open("a", encoding="utf-8") as file:
        file.write('9,UU,"未完')
    summary = import_file(source, mapping, FileArchive(tmp_path / "kept"))
    assert summary.created == 3
    assert summary.stopped is not None
    assert summary.stopped.params["row"] == 5


def test_progress_is_told_after_every_answer_with_the_total_known_before(tmp_path: Path, mapping: Mapping) -> None:
    rows = board(10)
    rows[4][3] = "前天"
    told: list[Progress] = []
    import_file(table(tmp_path / "t.csv", rows), mapping, FileArchive(tmp_path / "kept"), options=Options(progress=told.append))
    assert [one.answered for one in told] == list(range(1, 11))
    assert {one.total for one in told} == {10}
    assert (told[-1].created, told[-1].refused) == (9, 1)


def test_whole_cases_are_imported_from_ndjson_as_they_are(tmp_path: Path) -> None:
    source = tmp_path / "cases.ndjson"
    cases = list(generate(25, 3))
    source.write_text("".join(json.dumps(case, ensure_ascii=False) + "\n" for case in cases) + "{}\nnull\n", encoding="utf-8")
    checked = dry_run(source, None, check)
    assert (checked.rows, checked.created, checked.refused) == (27, 25, 2)
    archive = FileArchive(tmp_path / "kept")
    import_file(source, None, Kept(archive))
    assert list(archive.kept.values()) == cases


class Kept:
    """Refuses what is no case, as the archive does, and keeps the rest."""

    def __init__(self, archive: FileArchive) -> None:
        self._archive = archive

    def deposit_many(self, records: Iterable[tuple[int, dict[str, Any]]]) -> Iterator[tuple[int, Answer]]:
        for number, record in records:
            if record:
                yield from self._archive.deposit_many([(number, record)])
            else:
                yield number, Answer("refused", code="invalid-input")


def test_a_summary_repeats_nothing_of_a_row(tmp_path: Path, mapping: Mapping) -> None:
    rows = broken_board()
    summary: Summary = dry_run(table(tmp_path / "t.csv", rows), mapping, check)
    text = repr(summary)
    assert not any(cell in text for row in rows for cell in row[1:] if cell)


def test_a_row_is_read_only_when_the_one_before_it_was_answered(tmp_path: Path, mapping: Mapping) -> None:
    drawn_at_answer: list[int] = []

    class Counting:
        def deposit_many(self, records: Iterable[tuple[int, dict[str, Any]]]) -> Iterator[tuple[int, Answer]]:
            for drawn, (number, _record) in enumerate(records, 1):
                yield number, Answer("created")
                drawn_at_answer.append(drawn)

    import_file(table(tmp_path / "t.csv", board(50)), mapping, Counting())
    assert drawn_at_answer == list(range(1, 51))
