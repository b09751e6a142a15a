"""What everybody may read holds nobody's name or number: it is refused at the door, by path, without the value."""

from __future__ import annotations

from datetime import date

import pytest

from petition_records import ID_ZHANG, MOBILE, typical
from policies.plain_texts import faults
from policies.rulebook.load import base
from policies.validation import validate

TODAY = date(2026, 3, 1)


def found(title: str) -> list[str]:
    record = typical()
    record["policy_bases"] = [{"policy_title": "《信访工作条例》"}, {"policy_title": title}]
    return [fault.path for fault in faults(validate(record, base(), today=TODAY), base())]


@pytest.mark.parametrize("title", [f"张三身份证{ID_ZHANG}", f"电话{MOBILE}", "（欧阳小明）案", "99999919901332567X 一案"])
def test_personal_data_in_a_readable_line_is_refused(title: str) -> None:
    assert found(title) == ["policy_bases[1].policy_title"]


@pytest.mark.parametrize(
    "title",
    [
        "《国有土地上房屋征收与补偿条例》（国务院令第590号）",
        "湘政发〔2016〕15号",
        "长政办发[2019]23号 第十二条第（三）项 2019-05-01",
        "档案局令第8号(2006-12-18)",
        "GB/T 39784-2021",
    ],
)
def test_titles_of_real_policies_are_taken(title: str) -> None:
    assert found(title) == []
