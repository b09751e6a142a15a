"""A copy of the log is held against the log: every line as it was is accepted, and whatever was changed in it is found."""

from __future__ import annotations

import io
import json
import random
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import python_calamine
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from audit.entry import encode
from audit.events import Actor, Event
from foundation.ids import new_id
from reviews.copies_forms import FORMS, LINES, SHEET
from reviews.copies_rows import HEADINGS, Row
from service.copies.checking import (
    CopyDiffers,
    CopyUnreadable,
    Held,
    check_against_checkpoint,
    check_against_export,
    form_of,
)
from service.copies.workbook import CUT, LONGEST_CELL, sheet_chunks, sheet_values
from signed_log import SigningKey, write_log
from tlog.errors import TlogError
from tlog.note import VerifierKey
from tlog.verify import verify_export

SIZE = 520
SIGNER = SigningKey.from_seed("archive.example/F001", 7)
KEY = VerifierKey.parse(SIGNER.vkey())
AT = datetime(2026, 3, 18, 4, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Scene:
    """A log of some hundred entries, exported, and its rows."""

    folder: Path
    rows: list[Row] = field(repr=False)

    def copy(self, form: str, first: int = 0, last: int = SIZE - 1) -> bytes:
        rows = self.rows[first : last + 1]
        if form == SHEET:
            return b"".join(sheet_chunks(rows))
        return LINES[form].head + b"".join(map(LINES[form].line, rows))

    def held(self, form: str, data: bytes) -> Held:
        path = self.folder / f"copy-{new_id()}"
        path.write_bytes(data)
        try:
            report = verify_export(self.folder / "log", KEY)
            return check_against_export(path, form, self.folder / "log", report.checkpoint)
        finally:
            path.unlink()

    def hashed(self, form: str, data: bytes, note: bytes | None = None) -> Held:
        path = self.folder / f"copy-{new_id()}"
        path.write_bytes(data)
        try:
            return check_against_checkpoint(path, form, note or (self.folder / "log" / "checkpoint").read_bytes(), KEY)
        finally:
            path.unlink()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("copies")
    entries = [
        encode(
            Event(
                kind="case.viewed",
                actor=Actor(account=new_id(), role="handler", assurance=2, unit="-1" if n % 7 == 0 else "U-1", client="intranet"),
                time=AT + timedelta(seconds=n),
                object={"kind": "case", "id": new_id()},
                verdict="permit" if n % 3 else "refuse",
                data={"n": n},
            ),
            new_id(),
            "F001",
        )
        for n in range(SIZE)
    ]
    write_log(folder / "log", entries, SIGNER)
    return Scene(folder, [Row.of("F001", n, entry) for n, entry in enumerate(entries)])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("first", "last"), [(0, SIZE - 1), (0, 0), (255, 257), (300, SIZE - 1)])
def test_a_copy_as_it_was_made_is_accepted_and_said_to_cover_what_it_covers(scene: Scene, form: str, first: int, last: int) -> None:
    held = scene.held(form, scene.copy(form, first, last))
    assert (held.first, held.last, held.checkpoint.size) == (first, last, SIZE)


ATTACKS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "a line dropped": lambda lines: lines[:4] + lines[5:],
    "a line twice": lambda lines: lines[:4] + lines[3:],
    "two lines swapped": lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]],
    "a line more": lambda lines: [*lines, lines[-1]],
    "the last line cut": lambda lines: [*lines[:-1], lines[-1][:-1]],
    "an empty line": lambda lines: [*lines[:5], b"\n", *lines[5:]],
    "a space more": lambda lines: [*lines[:5], lines[5][:-1] + b" \n", *lines[6:]],
}


@pytest.mark.parametrize("form", sorted(LINES))
@pytest.mark.parametrize("attack", sorted(ATTACKS))
def test_lines_that_are_missing_repeated_or_moved_are_found(scene: Scene, form: str, attack: str) -> None:
    lines = scene.copy(form).splitlines(keepends=True)
    with pytest.raises(CopyDiffers):
        scene.held(form, b"".join(ATTACKS[attack](lines)))
    if form in {"ndjson", "ocsf"}:
        with pytest.raises(CopyDiffers):
            scene.hashed(form, b"".join(ATTACKS[attack](lines)))


@given(data=st.data(), form=st.sampled_from(sorted(LINES)))
def test_any_byte_that_was_changed_in_a_copy_is_found(scene: Scene, data: st.DataObject, form: str) -> None:
    whole = bytearray(scene.copy(form, 250, 262))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises((CopyDiffers, CopyUnreadable)):
        scene.held(form, bytes(whole))


@given(data=st.data(), form=st.sampled_from(["ndjson", "ocsf"]))
def test_a_whole_copy_is_hashed_to_the_signed_root_and_no_changed_one_is(scene: Scene, data: st.DataObject, form: str) -> None:
    whole = scene.copy(form)
    assert scene.hashed(form, whole).last == SIZE - 1
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = bytearray(whole)
    changed[at] ^= data.draw(st.integers(1, 127))
    with pytest.raises((CopyDiffers, CopyUnreadable)):
        scene.hashed(form, bytes(changed))


def test_a_part_or_a_table_is_not_taken_for_proven_by_a_checkpoint_alone(scene: Scene) -> None:
    for form, data in (("ndjson", scene.copy("ndjson", 0, 99)), ("csv", scene.copy("csv")), ("cef", scene.copy("cef"))):
        with pytest.raises(CopyUnreadable, match="copy-unreadable"):
            scene.hashed(form, data)
    with pytest.raises(CopyDiffers):
        scene.hashed("ndjson", scene.copy("ndjson", 1))
    older = SIGNER.checkpoint([row.leaf for row in scene.rows[:100]])
    with pytest.raises(CopyDiffers) as beyond:
        scene.hashed("ndjson", scene.copy("ndjson"), older)
    assert beyond.value.params["line"] == 101
    with pytest.raises(TlogError):
        scene.hashed("ndjson", scene.copy("ndjson"), SigningKey.from_seed(SIGNER.name, 8).checkpoint([row.leaf for row in scene.rows]))


def test_a_forged_entry_with_a_hash_that_fits_it_is_found_in_every_form(scene: Scene) -> None:
    real = scene.rows[9]
    forged = Row.of("F001", 9, real.body.replace(b'"verdict":"refuse"', b'"verdict":"permit"'))
    assert forged.body != real.body
    for form in LINES:
        whole = scene.copy(form).replace(LINES[form].line(real), LINES[form].line(forged))
        with pytest.raises(CopyDiffers) as found:
            scene.held(form, whole)
        assert found.value.params["line"] == 10 + bool(LINES[form].head)
    with pytest.raises(CopyDiffers):
        scene.hashed("ndjson", scene.copy("ndjson").replace(LINES["ndjson"].line(real), LINES["ndjson"].line(forged)))


# ------------------------------------------------------------------------------------------------ workbooks


def rewritten(data: bytes, old: bytes, new: bytes) -> bytes:
    """The workbook with one change in its sheet."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(out, "w") as after:
        for name in before.namelist():
            content = before.read(name)
            if name.endswith("sheet1.xml"):
                assert content.count(old) >= 1
                content = content.replace(old, new, 1)
            after.writestr(name, content)
    return out.getvalue()


def test_a_workbook_is_read_back_cell_by_cell_and_has_no_formula(scene: Scene, tmp_path: Path) -> None:
    made = tmp_path / "copy.xlsx"
    made.write_bytes(scene.copy(SHEET))
    rows = python_calamine.load_workbook(str(made)).get_sheet_by_index(0).to_python()
    assert rows[0] == list(HEADINGS)
    assert [[f"{row[0]:.0f}", *row[1:]] for row in rows[1:]] == [sheet_values(row) for row in scene.rows]
    with zipfile.ZipFile(made) as parts:
        sheet = parts.read("xl/worksheets/sheet1.xml")
    assert b"<f>" not in sheet
    assert b"<t>'-1</t>" in sheet
    assert scene.copy(SHEET) == made.read_bytes()


def test_any_cell_that_was_changed_in_a_workbook_is_found(scene: Scene) -> None:
    whole = scene.copy(SHEET, 0, 20)
    chance = random.Random(7)
    for row in chance.sample(scene.rows[:21], 5):
        for value in chance.sample([value for value in sheet_values(row)[1:] if value], 3):
            with pytest.raises(CopyDiffers):
                scene.held(SHEET, rewritten(whole, f"<t>{value}</t>".encode(), b"<t>other</t>"))
    with pytest.raises(CopyDiffers):
        scene.held(SHEET, rewritten(whole, b"<v>7</v>", b"<v>8</v>"))


def test_a_formula_that_shows_the_right_value_is_refused_in_a_workbook(scene: Scene) -> None:
    sound = scene.copy(SHEET, 0, 20)
    with pytest.raises(CopyDiffers) as found:
        scene.held(SHEET, rewritten(sound, b"<v>7</v>", b"<f>1+6</f><v>7</v>"))
    assert "formula" in found.value.text_en
    book = io.BytesIO()
    with xlsxwriter.Workbook(book) as two:
        two.add_worksheet("a")
        two.add_worksheet("b")
    for broken in (b"no workbook", sound[: len(sound) // 2], book.getvalue()):
        with pytest.raises(CopyUnreadable):
            scene.held(SHEET, broken)


def test_what_a_cell_cannot_hold_is_cut_and_says_so_and_the_rest_is_checked(tmp_path: Path) -> None:
    cases = tuple(new_id() for _ in range(1_000))
    entry = encode(Event(kind="case.listed", actor=Actor(), time=AT, cases=cases), new_id(), "F001")
    row = Row.of("F001", 0, entry)
    longest = max(sheet_values(row), key=len)
    assert len(longest) == LONGEST_CELL
    assert longest.endswith(CUT)
    write_log(tmp_path / "log", [entry], SIGNER)
    one = Scene(tmp_path, [row])
    assert one.held(SHEET, one.copy(SHEET)).last == 0


def test_the_form_of_a_copy_is_told_by_its_name_or_has_to_be_said() -> None:
    assert [form_of(Path(f"x.{form}")) for form in FORMS] == list(FORMS)
    assert form_of(Path("x.json"), "ocsf") == "ocsf"
    with pytest.raises(CopyUnreadable):
        form_of(Path("x.json"))


def test_a_file_that_is_no_copy_is_refused_and_not_half_read(scene: Scene) -> None:
    for form in LINES:
        for data in (b"", b"\n", b"hello\n", json.dumps({"index": -1, "metadata": {"sequence": -1}}).encode() + b"\n"):
            with pytest.raises((CopyDiffers, CopyUnreadable)):
                scene.held(form, data)


def test_a_workbook_grows_on_the_disk_and_not_in_memory(scene: Scene) -> None:
    tracemalloc.start()
    try:
        for _ in sheet_chunks(scene.rows[n % SIZE] for n in range(6_000)):
            pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The sheet has some 10 MiB.
    assert peak < 3 * 2**20
