"""No text a source can send makes the archive work longer than its length deserves, and the length of what is worked on is bounded."""

from __future__ import annotations

import importlib
import pkgutil
import re
import time
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import policies
from foundation.errors import InvalidInput
from petition_records import typical
from policies import known_forms, plain_texts
from policies.entities import Entities
from policies.known_forms import KnownForms
from policies.masked_copy import MOST_TO_REDACT, mask_record
from policies.recognisers import find
from policies.redaction import redact
from policies.rulebook.load import base
from policies.validation import validate

TODAY = date(2026, 3, 1)
PIECES = (
    *"1张 @.-密级★\n\t省市县号QA×：，（省·１e\u0301\u200b",
    "1 ",
    "1-",
    "a@",
    "A.",
    "秘 ",
    "公司",
    "市县",
    "1号",
    "A1栋",
    "微信",
    "京A",
    "张总",
    "2024-",
    "2024-01-01 ",
    "19-19",
    "1,",
    "一-",
    "欧阳",
    "·张",
    "86",
    "+86",
    "A" * 64,
)
HEADS = ("", "秘密", "密", "密级：", "★", "【", "我叫", "1", "A@", "Q", "微信", "京A", "中国")
LONGEST = ("1", "张", "\n", "a@")
BOUNDED = {"policies.entities._UNIT_TAIL": 300}
"""Patterns held against names alone, with the most characters a name has."""
TEXT = "replies[].reply_text"


def patterns() -> Iterator[tuple[str, re.Pattern[str]]]:
    for module in pkgutil.walk_packages(policies.__path__, "policies."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, re.Pattern):
                yield f"{module.name}.{name}", value


def _timed(work: Callable[[], object]) -> float:
    """Seconds of processor time."""
    before = time.process_time()
    work()
    return time.process_time() - before


@pytest.mark.parametrize(("name", "pattern"), [pytest.param(name, one, id=name) for name, one in patterns()])
def test_no_pattern_of_the_policies_takes_more_than_linear_time(name: str, pattern: re.Pattern[str]) -> None:
    most = BOUNDED.get(name, 1_000_000)
    for head in HEADS:
        for piece in PIECES:
            # A pattern that is quadratic shows at a few thousand characters already and is not let loose on a million.
            lengths = (2_000, 16_000, 1_000_000) if head == "" and piece in LONGEST else (2_000,) if head == "" else (8_000,)
            for length in lengths:
                text = (head + piece * (length // len(piece)))[: min(length, most)] + "x"
                took = _timed(lambda text=text: (sum(1 for _ in pattern.finditer(text)), pattern.fullmatch(text)))  # type: ignore[misc]
                assert took < 0.02 + length * 4e-6, (head, piece, length, took)


def replied(text: str, texts: int = 9, record: dict[str, Any] | None = None) -> dict[str, Any]:
    record = record or typical()
    record["replies"] = [typical()["replies"][0] | {"reply_text": text[:50_000]} for _ in range(texts)]
    return record


def group(people: int, **more: Callable[[int], Any]) -> dict[str, Any]:
    """A petition of many invented people, each with names, numbers and an address of their own."""
    record = typical()
    one = typical()["petitioners"][1]
    record["petitioners"] = [
        one
        | {
            "is_primary": number == 0,
            "name": f"赵{chr(0x4E00 + number)}{chr(0x5000 + number)}",
            "former_names": [f"钱{chr(0x4E00 + number)}{chr(0x6000 + number)}"],
            "id_number": f"9999991990133{number:05d}",
            "mobile": f"100{number:08d}",
            "address": f"湖南省长沙市岳麓区幸福路{number}号{number}栋",
        }
        | {name: value(number) for name, value in more.items()}
        for number in range(people)
    ]
    record["petitioner_count"] = people
    return record


def prepared(record: dict[str, Any]) -> dict[str, Any]:
    checked = validate(record, base(), today=TODAY)
    assert plain_texts.faults(checked, base()) == []
    return mask_record(checked, base())


@pytest.mark.parametrize(
    "piece",
    [
        "a@",
        "a@a，",
        "A" * 63 + "@",
        "我叫张三",
        "张总",
        "张三",
        "张 三",
        "张\u200b三",
        "1号1室",
        "1234567，",
        "一二三四五六七，",
        "1 ",
        "京A12345",
    ],
)
def test_the_largest_case_of_the_worst_texts_is_prepared_in_seconds(piece: str) -> None:
    record = replied(piece * (50_000 // len(piece)))
    assert _timed(lambda: prepared(record)) < 4


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(lambda: replied("赵一丁丂" * 12_500, 8, group(400)), id="many people in long texts"),
        pytest.param(lambda: replied("1000，" * 10_000, 6, group(800)), id="many numbers in long texts"),
        pytest.param(
            lambda: replied("A" * 50_000, 4, group(400, address=lambda number: "A" * 280 + chr(0x4E00 + number))), id="long forms"
        ),
        pytest.param(lambda: replied("x", 1, group(300, address=lambda number: f"{number}号" * 60)), id="addresses of many parts"),
        pytest.param(lambda: replied("x", 1, group(400, address=lambda number: chr(0x4E00 + number) * 300)), id="addresses of no part"),
        pytest.param(lambda: replied("秘密" + "\n" * 49_000 + "x密" + "\n\t" * 400, 1), id="a mark that never comes"),
    ],
)
def test_the_largest_case_of_many_people_is_prepared_in_seconds(record: Callable[[], dict[str, Any]]) -> None:
    made = record()

    def work() -> None:
        try:
            prepared(made)
        except InvalidInput as error:
            assert {fault.rule for fault in error.faults} <= {"too-much-to-redact", "state-secret"}  # noqa: PT017  either is quick

    assert _timed(work) < 4


def test_the_forms_of_an_address_do_not_grow_with_the_square_of_its_length() -> None:
    found = Entities()
    found.address("湖南省长沙市岳麓区" + "".join(f"{number}号" for number in range(100, 170)), base().divisions)
    assert sum(map(len, found.phrases)) < 20 * 300


def test_more_text_than_can_be_redacted_in_time_is_refused_as_such() -> None:
    with pytest.raises(InvalidInput) as refused:
        validate(replied("村" * 50_000, MOST_TO_REDACT // 50_000 + 1), base(), today=TODAY)
    assert [(fault.path, fault.rule) for fault in refused.value.faults] == [("", "too-much-to-redact")]
    assert str(MOST_TO_REDACT) in refused.value.faults[0].zh
    validate(replied("村" * 50_000, MOST_TO_REDACT // 50_000 - 1), base(), today=TODAY)


def test_a_petition_of_a_thousand_people_is_still_taken() -> None:
    copy = prepared(replied("与会人员赵一丁、电话10000000007，", 3, group(1000, former_names=lambda _number: [])))
    assert copy[TEXT][0].count("〔") >= 1
    assert "10000000007" not in copy[TEXT][0]


@given(
    st.lists(st.text(alphabet="张一丁A1", min_size=1, max_size=5), min_size=1, max_size=12, unique=True),
    st.text(alphabet="张一丁A1", max_size=60),
)
def test_the_automaton_covers_what_plain_search_finds(forms: list[str], text: str) -> None:
    known = {form: (("姓名", "地址")[len(form) % 2], form, "x") for form in forms}
    few = set(KnownForms(known).find(text))
    many = set(KnownForms(known | {chr(0x10000 + number): ("姓名", "", "x") for number in range(known_forms.MANY)}).find(text))
    assert many <= few
    for start, end, what in few - many:
        assert any(one <= start and last == end and other[0] == what[0] for one, last, other in many)


@given(st.lists(st.sampled_from(["张一丁", "一丁", "湖南省", "村东路", "1000", "，", " ", "\u200b", "号", "3"]), max_size=30).map("".join))
def test_redaction_is_the_same_with_few_known_forms_and_with_many(text: str) -> None:
    few, many = Entities(), Entities()
    for found in (few, many):
        found.person("张一丁", base().surnames)
        found.address("湖南省长沙市岳麓区村东路3号", base().divisions)
        found.number("10001000", "电话")
    for number in range(known_forms.MANY + 1):
        many.phrases[chr(0x10000 + number)] = ("单位", "", "unit")
        many.numbers[f"77777{number:04d}"] = ("电话", "")
    assert redact(text, few, base().surnames) == redact(text, many, base().surnames)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("A@B.CN", ["A@B.CN"]),
        ("写信给 A.B-C@EXAMPLE.INVALID。", ["A.B-C@EXAMPLE.INVALID"]),
        ("NOBODY @EXAMPLE.INVALID", ["NOBODY@EXAMPLE.INVALID"]),
        ("A@B.CN，C@D.CN", ["A@B.CN", "C@D.CN"]),
        ("@A", []),
        ("A@", []),
        ("A@B@CDEF", ["B@CDEF"]),
        ("X" * 70 + "@B.CN", ["X" * 64 + "@B.CN"]),
    ],
)
def test_addresses_of_the_net_are_found_around_every_at_sign(text: str, values: list[str]) -> None:
    assert [hit.value for hit in find(text) if hit.rule == "email"] == values
