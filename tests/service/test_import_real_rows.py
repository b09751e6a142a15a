"""Real petitions, as dirty as they came: what is deposited, what is said of it, and that the tests show none of it."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from policies.rulebook.load import base
from policies.validation import validate
from service.importing.mapping import load
from service.importing.report import Summary
from service.importing.run import dry_run

MAPPING = Path(__file__).resolve().parents[2] / "examples" / "import" / "message-board.toml"
RULEBOOK = base()


@pytest.fixture(scope="module")
def imported(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Summary, list[dict[str, Any]]]:
    source = tmp_path_factory.mktemp("real") / "petitions.csv"
    shutil.copy(shared_data / "petitions_with_replies.csv", source)
    records: list[dict[str, Any]] = []

    def check(record: dict[str, Any]) -> None:
        validate(record, RULEBOOK, today=date(2026, 11, 22))
        records.append(record)

    return dry_run(source, load(MAPPING, RULEBOOK), check), records


@pytest.mark.shared_data
def test_nearly_every_real_row_is_deposited_and_every_refusal_has_its_reason(imported: tuple[Summary, list[dict[str, Any]]]) -> None:
    summary, records = imported
    assert summary.rows == 2816
    assert summary.created == len(records) >= 2780
    assert summary.refused == summary.rows - summary.created
    assert bool(summary.reasons) == bool(summary.refused)
    assert summary.stopped is None


@pytest.mark.shared_data
def test_the_dirt_that_is_known_to_be_there_is_noted_where_it_was_cleaned(imported: tuple[Summary, list[dict[str, Any]]]) -> None:
    summary, _records = imported
    assert summary.cleaned["excel-escapes"] == 78
    assert summary.cleaned["date-form-dash"] == 1
    assert summary.cleaned["date-only"] == 1
    assert summary.cleaned["tabs"] >= 2816
    assert {"edges", "wide-spaces", "zero-width"} <= set(summary.cleaned)


@pytest.mark.shared_data
def test_no_dirt_is_left_in_what_is_read_and_all_of_it_in_what_is_kept(imported: tuple[Summary, list[dict[str, Any]]]) -> None:
    for record in imported[1]:
        for text in (record["title"], record["summary"], record["content"], record["replies"][0]["reply_text"]):
            assert not set("\t\r\u3000\u00a0\u200b") & set(text)
            assert "_x000D_" not in text
            assert text == text.strip()
        cells = json.loads(record["raw_source"])["cells"]
        assert len(cells) == 7
        assert cells["留言详情"][:1].isspace()


@pytest.mark.shared_data
def test_what_the_board_does_not_tell_is_unknown_in_every_row(imported: tuple[Summary, list[dict[str, Any]]]) -> None:
    words = Counter((path, word) for record in imported[1] for path, word in record["provenance"].items())
    count = len(imported[1])
    for path in ("petition_form", "statutory_class", "locality_code", "registering_unit_code", "grade", "closure_type", "is_anonymous"):
        assert words[path, "unknown"] == count
        assert all(path not in record for record in imported[1])
    for path in ("summary", "registered_at", "closed_at"):
        assert words[path, "derived"] == count
    assert words["petitioners[].name", "given"] == count


@pytest.mark.shared_data
def test_repeats_by_user_title_and_text_are_kept_as_cases_and_linked(imported: tuple[Summary, list[dict[str, Any]]]) -> None:
    numbers = {record["case_no"] for record in imported[1]}
    repeats = [record for record in imported[1] if record["is_repeat"]]
    assert len(numbers) == len(imported[1])
    assert len(repeats) >= 24
    assert all(record["repeat_of_case_no"] in numbers - {record["case_no"]} for record in repeats)


@pytest.mark.shared_data
def test_the_reply_that_came_with_a_date_only_begins_its_day(imported: tuple[Summary, list[dict[str, Any]]]) -> None:
    record = next(record for record in imported[1] if record["case_no"] == "27610")
    assert record["closed_at"].endswith("T00:00:00+08:00")
    assert json.loads(record["raw_source"])["cleaned"]["答复时间"] == ["date-only"]
