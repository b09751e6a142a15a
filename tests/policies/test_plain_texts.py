"""What everybody may read holds nobody's name or number: it is refused at the door, by path, without the value."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.forms import is_code
from foundation.errors import InvalidInput
from petition_records import ID_ZHANG, MOBILE, minimal, typical
from policies.catalogue import ROOT, Field
from policies.checked import Checked
from policies.formats import FORMATS
from policies.plain_texts import faults, open_texts, person_number
from policies.recognisers import checks
from policies.rulebook.load import base
from policies.validation import validate

TODAY = date(2026, 3, 1)
CATALOGUE = base().catalogue
CLOSED_KINDS = {"code", "date", "datetime", "bool", "integer", "uuid7", "sha256"}
"""Kinds whose values a reader takes from a list, or out of a form in which no name can be written."""
READABLE = [one for one in CATALOGUE if not one.sealed and not one.made_by_archive]
OPEN = [one.field for _key, _repeated, fields in open_texts(base()) for one in fields]
CODED = [one for one in OPEN if FORMATS[one.format].pattern is None or one.format == "register-code"]
SLIPS = {
    "name": "来信-张三-1",
    "parted name": "来信-张-三-1",
    "name of the second": "欧阳小明",
    "former name": "欧阳大明",
    "party": "买买提·阿不都",
    "id": f"XF-{ID_ZHANG}-1",
    "parted id": "9999-9919-9013-321234",
    "wide id": "９９９９９９１９９０１３３２１２３４",
    "mobile": f"A{MOBILE}",
    "parted mobile": "100-0000-1234",
    "mobile in words": "一〇〇〇〇〇〇一二三四",
    "mobile in rounds": "一○○○○○○一二三四",
    "mobile in Suzhou numerals": "〡〇〇〇〇〇〇〡〢〣〤",
    "Tibetan mobile": "༡༠༠༠༠༠༠༡༢༣༤",
    "Mongolian mobile": "᠑᠐᠐᠐᠐᠐᠐᠑᠒᠓᠔",
}


def invented_id(area: str, day: str, serial: str = "001") -> str:
    """A number with a check digit that fits, of a province that is none."""
    return next(number for last in "0123456789X" if checks(number := f"{area}{day}{serial}{last}"))


def bearing(one: Field, text: str) -> dict[str, Any]:
    """A case with a text in one field of it."""
    record = typical()
    key = one.group.removesuffix("[]")
    target: Any = record if one.group == ROOT else record.setdefault(key, [{}] if one.repeated else {})
    if one.repeated:
        target = target[-1]
    target[one.name] = [text] if one.type == "strings" else text
    return record


def read(record: dict[str, Any]) -> Checked:
    return validate(record, base(), today=TODAY)


def found(title: str) -> list[str]:
    record = typical()
    record["policy_bases"] = [{"policy_title": "《信访工作条例》"}, {"policy_title": title}]
    return [fault.path for fault in faults(read(record), base())]


@pytest.mark.parametrize(
    "title", [f"张三身份证{ID_ZHANG}", f"电话{MOBILE}", "（欧阳小明）案", "99999919901332567X 一案", "nobody@example.invalid"]
)
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


def test_two_readable_lines_or_codes_are_not_read_as_one() -> None:
    half = len(MOBILE) // 2
    record = typical() | {"registering_unit_code": MOBILE[:half], "cooperating_unit_codes": [MOBILE[half:]]}
    record["policy_bases"] = [{"policy_title": f"文号{MOBILE[:half]}"}, {"policy_title": MOBILE[half:]}]
    assert faults(read(record), base()) == []


def test_every_readable_field_is_swept_or_takes_values_of_a_closed_kind() -> None:
    for one in READABLE:
        # Keys of provenance are paths of fields, its values a code list.
        closed = one.type in CLOSED_KINDS or one.code_list is not None or one.path == "provenance"
        assert closed != (one in OPEN), one.path


def test_what_is_sealed_but_unmasked_is_no_text() -> None:
    assert {one.type for one in CATALOGUE if one.sealed and one.mask == "none"} <= CLOSED_KINDS


@pytest.mark.parametrize("one", CODED, ids=lambda one: one.path)
@pytest.mark.parametrize("slip", SLIPS)
def test_no_readable_code_or_line_names_a_person_or_number_of_its_case(one: Field, slip: str) -> None:
    record = bearing(one, SLIPS[slip])
    place = one.path.replace("[]", f"[{len(record[one.group.removesuffix('[]')]) - 1}]") if one.repeated else one.path
    place += "[0]" if one.type == "strings" else ""
    try:
        said = faults(read(record), base())
    except InvalidInput as error:  # a closed form refuses most of them already
        said = list(error.faults)
    assert [fault.path for fault in said] == [place]
    assert SLIPS[slip] not in repr(said)


@pytest.mark.parametrize("number", ["一三九九九九九一二三四", "壹叁玖-玖玖玖玖-壹贰叁肆", "༡༣༩༩༩༩༩༡༢༣༤"])
def test_a_strangers_mobile_number_is_found_in_codes_and_lines_however_its_digits_are_written(number: str) -> None:
    assert found(f"电话{number}") == ["policy_bases[1].policy_title"]
    assert [fault.path for fault in faults(read(typical() | {"case_no": f"XF-{number}"}), base())] == ["case_no"]


def test_slips_in_several_places_are_named_at_each() -> None:
    record = typical() | {"registering_unit_code": MOBILE, "cooperating_unit_codes": ["U-3", MOBILE]}
    assert [fault.path for fault in faults(read(record), base())] == ["registering_unit_code", "cooperating_unit_codes[1]"]


@pytest.mark.parametrize(
    "number",
    [
        "信访〔2024〕123号",
        "青禾县信访局〔2024〕第12号",
        "建国镇〔2024〕5号",
        "XF-2024-000123",
        "430104202401080012",  # area, day and serial: eighteen digits, and the check digit of one in eleven fits
        "430104-20240108-0012",
        "19050100123",
        "15202400123",
        "6230104202401080",
        "2024010800001234",
        "DH20240108001",
        "999999901332124",
    ],
)
def test_numbers_as_case_systems_make_them_are_taken(number: str) -> None:
    assert faults(read(typical() | {"case_no": number}), base()) == []


def test_a_day_near_the_case_is_no_birth_whatever_the_check_digit() -> None:
    taken = [invented_id("990121", f"{year}0108") for year in range(2011, 2025)]
    assert [number for number in taken if faults(read(typical() | {"case_no": number}), base())] == []


@pytest.mark.parametrize(
    "number",
    [
        invented_id("990121", "19700108"),
        f"XF-{invented_id('990121', '19700108')}",
        f"来信{invented_id('990121', '20100108')}号",
        "990121-19700108-" + invented_id("990121", "19700108")[14:],
        "1" + "9900000000",
        "XF-199-0000-0000",
        "6299000000000007",
    ],
)
def test_a_strangers_number_in_a_case_number_is_refused_by_a_rule_of_its_own(number: str) -> None:
    said = faults(read(typical() | {"case_no": number}), base())
    assert [(fault.path, fault.rule) for fault in said] == [("case_no", "person-number-in-the-open")]


@pytest.mark.parametrize(
    "serial",
    ["0a9900c1-7b19-8000-9a00-19900000000f", "19900000000a7b198000aa0019900000000f"[:32], "B2C-19900000-0000-4000-8000-19900000000f"],
)
def test_the_digits_of_a_uuid_are_no_mobile_number(serial: str) -> None:
    checked = read(minimal())
    assert not person_number(serial.upper(), checked)
    assert person_number(f"{serial} 19900000000".upper(), checked)


@given(st.text(alphabet="0123456789-XA/", max_size=40))
def test_a_number_with_a_wrong_check_digit_or_of_other_length_is_nobodys(text: str) -> None:
    checked = read(minimal())
    born = invented_id("990121", "19700108")
    wrong = born[:-1] + ("1" if born[-1] != "1" else "2")
    assert not person_number(wrong, checked)
    assert not person_number("7" + born, checked)
    assert person_number(f"{text}；{born}；{text}", checked)


@pytest.mark.parametrize("one", [one for one in CATALOGUE if one.format == "register-code"], ids=lambda one: one.path)
@pytest.mark.parametrize("text", ["张三", "U 1", "U—1", "Ｕ1", "é", "U" * 61])
def test_a_code_of_the_register_takes_what_the_register_takes(one: Field, text: str) -> None:
    record = bearing(one, text)
    with pytest.raises(InvalidInput) as refused:
        read(record)
    rules = {fault.rule for fault in refused.value.faults}
    assert rules <= {"format", "space", "too-long"}
    assert rules
    read(bearing(one, "Ab-9_.:/"))


@given(st.text(alphabet="Az09_.:/-[] 张é", min_size=1, max_size=10))
def test_records_and_the_register_agree_on_what_a_code_is(text: str) -> None:
    # The log's codes have brackets for paths of fields; nobody names a unit so.
    assert FORMATS["register-code"].fits(text) == (is_code(text) and not set("[]") & set(text))


def test_every_code_of_staff_units_and_systems_has_the_form_of_the_register() -> None:
    of_the_register = {
        one.path for one in CATALOGUE if one.name.endswith(("_staff_id", "unit_code", "unit_codes", "user_ids", "source_system"))
    }
    assert of_the_register == {one.path for one in CATALOGUE if one.format == "register-code"}
    assert len(of_the_register) == 10
