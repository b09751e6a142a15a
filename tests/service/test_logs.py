"""Logs by allow-list: whatever is handed to them, no person and no value comes out."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from foundation.errors import NotFound
from service import logs

CANARY = "钱婆婆 10000001234"


@pytest.fixture
def written() -> Iterator[StringIO]:
    output = StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    before = structlog.get_config()
    logs.configure("info", output)
    yield output
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)


def _lines(output: StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.getvalue().splitlines()]


def test_a_key_that_is_not_on_the_list_is_not_written(written: StringIO) -> None:
    logs.log().info("http.request", name=CANARY, password="x", status=200, petitioner="y")
    assert _lines(written)[0].keys() == {"event", "level", "time", "status"}


def test_a_text_that_is_no_code_is_not_written_even_under_a_listed_key(written: StringIO) -> None:
    logs.log().info(CANARY, route=CANARY, error="two words", method="GET", client="intranet")
    line = _lines(written)[0]
    assert (line["event"], line["route"], line["error"], line["method"], line["client"]) == ("-", "-", "-", "GET", "intranet")


@given(st.dictionaries(st.text(max_size=12), st.one_of(st.text(), st.integers(), st.lists(st.text()), st.none()), max_size=6))
def test_whatever_is_logged_comes_out_as_listed_keys_with_codes_and_numbers(members: dict[str, Any]) -> None:
    made = logs.allow(None, "info", dict(members))
    assert set(made) <= logs.ALLOWED
    for name, value in made.items():
        assert name in {"exception", "template"} or isinstance(value, bool | int | float) or logs._CODE.fullmatch(value)


def test_an_exception_is_written_as_types_and_places_alone(written: StringIO) -> None:
    def fails(secret: str) -> None:
        local = secret
        raise ValueError(f"broken by {local}")

    def fails_in_turn() -> None:
        try:
            fails(CANARY)
        except ValueError as error:
            raise RuntimeError(CANARY) from error

    with pytest.raises(RuntimeError) as caught:
        fails_in_turn()
    logs.log().error("http.failed", exc_info=caught.value, error=logs.code_of(caught.value))
    text = written.getvalue()
    assert "钱" not in text
    assert "\\u94b1" not in text
    assert "10000001234" not in text
    line = _lines(written)[0]
    assert [one["type"] for one in line["exception"]] == ["RuntimeError", "ValueError"]
    assert any("fails" in frame for frame in line["exception"][1]["frames"])


def test_a_librarys_message_is_written_without_its_arguments(written: StringIO) -> None:
    logging.getLogger("somewhere.else").warning("no such row: %s", CANARY)
    formatted_too_early = f"no such row: {CANARY}"
    logging.getLogger("somewhere.else").error(formatted_too_early)
    logging.getLogger("somewhere.else").error("failed with %r", CANARY, exc_info=ValueError(CANARY))
    text = written.getvalue()
    assert "10000001234" not in text
    assert "\\u94b1" not in text
    assert [line["template"] for line in _lines(written)] == ["no such row: %s", "ERROR", "failed with %r"]


def test_libraries_are_heard_from_their_warnings_up_alone(written: StringIO) -> None:
    for level, heard in (("debug", 2), ("info", 2), ("warning", 2), ("error", 1)):
        logs.configure(level, written)
        before = len(_lines(written))
        for say in ("debug", "info", "warning", "error"):
            getattr(logging.getLogger("uvicorn.error"), say)("Started server process [%d]", 1)
        assert len(_lines(written)) - before == heard


def test_our_own_errors_are_named_by_code_and_others_by_type() -> None:
    assert logs.code_of(NotFound()) == "not-found"
    assert logs.code_of(KeyError(CANARY)) == "KeyError"


def test_a_publisher_that_fails_says_for_which_fonds_and_why(written: StringIO) -> None:
    logs.report_publishing("F001", NotFound())
    logs.report_publishing("F001", None)
    assert [(line["fonds"], line["error"], line["level"]) for line in _lines(written)] == [("F001", "not-found", "error")]
