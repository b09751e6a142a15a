"""Masks are total: whatever they do not understand is hidden whole, and they never show the middle of a value."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from petition_records import accusation, typical
from policies.masked_copy import mask_record
from policies.masks import MASKS, NONE, REDACT, Context, apply
from policies.rulebook.load import base
from policies.validation import validate

TODAY = date(2026, 11, 22)
CONTEXT = Context(base().surnames, base().divisions)
UNIT = Context(base().surnames, base().divisions, unit=True)
ACCUSED_UNIT = Context(base().surnames, base().divisions, unit=True, accused=True)

TABLE = [
    ("id_6_4", "999999199013321234", "999999********1234"),
    ("id_6_4", "99999919901332123x", "999999********123X"),
    ("id_6_4", "９９９９９９199013321234", "999999********1234"),
    ("id_6_4", "999999 19901332 1234", "999999********1234"),
    ("id_6_4", "999999901332123", "999999******123"),
    ("id_6_4", "E12345678", "E1****78"),
    ("id_6_4", "E123456", "****"),
    ("id_6_4", "", "****"),
    ("id_6_4", "张三的证件", "****"),
    ("id_6_4", "张三999999199013321234", "****"),
    ("id_6_4", 999999199013321234, "****"),
    ("name_first_char", "张三", "张**"),
    ("name_first_char", "欧阳锋", "欧阳**"),
    ("name_first_char", "欧阳", "欧**"),
    ("name_first_char", "司马相如", "司马**"),
    ("name_first_char", "买买提·阿不都热西提", "买**"),
    ("name_first_char", "买买提•阿不都", "买**"),
    ("name_first_char", "王", "**"),
    ("name_first_char", "", "**"),
    ("name_first_char", "John Smith", "J**"),
    ("name_first_char", "13800000000", "**"),
    ("name_first_char", "\ue123明", "\ue123**"),
    ("name_first_char", None, "**"),
    ("phone_3_4", "10000001234", "100****1234"),
    ("phone_3_4", "+86 100-0000-1234", "100****1234"),
    ("phone_3_4", "１００００００１２３４", "100****1234"),
    ("phone_3_4", "0731-82123456", "0731-****"),
    ("phone_3_4", "(0731)82123456转8001", "0731-****"),
    ("phone_3_4", "010-82123456", "010-****"),
    ("phone_3_4", "8212345", "****"),
    ("phone_3_4", "82123456", "****"),
    ("phone_3_4", "10000001234/10000005678", "****"),
    ("phone_3_4", "110", "****"),
    ("email_first_char", "zhang@qq.com", "z***@qq.com"),
    ("email_first_char", "a@qq.com", "***@qq.com"),
    ("email_first_char", "a@b@c", "****"),
    ("email_first_char", "nobody", "****"),
    ("address_county", "湖南省长沙市岳麓区幸福路12号3栋501室", "湖南省长沙市岳麓区***"),
    ("address_county", "湖南长沙岳麓区幸福路12号", "湖南长沙岳麓区***"),
    ("address_county", "长沙市岳麓区锦绣城小区", "长沙市岳麓区***"),
    ("address_county", "长沙市锦绣城小区3栋", "长沙市***"),
    ("address_county", "长沙市恒大绿洲一区5栋", "长沙市***"),
    ("address_county", "北京市朝阳区幸福里8号", "北京市朝阳区***"),
    ("address_county", "北京市市辖区朝阳区幸福里8号", "北京市市辖区朝阳区***"),
    ("address_county", "北京路8号", "***"),
    ("address_county", "朝阳区幸福里8号", "朝阳区***"),
    ("address_county", "幸福小区3号楼", "***"),
    ("address_county", "锦绣城3号楼501", "***"),
    ("address_county", "湖北省恩施土家族苗族自治州恩施市舞阳坝", "湖北省恩施土家族苗族自治州恩施市***"),
    ("address_county", "恩施州恩施市舞阳坝", "恩施州恩施市***"),
    ("address_county", "湖北省仙桃市沔街", "湖北省仙桃市***"),
    ("address_county", "广东省东莞市南城街道", "广东省东莞市***"),
    ("address_county", "内蒙古自治区鄂尔多斯市准格尔旗薛家湾", "内蒙古自治区鄂尔多斯市准格尔旗***"),
    ("address_county", "湖南省长沙市望城县高塘岭", "湖南省长沙市望城县***"),
    ("address_county", "重庆市酉阳土家族苗族自治县桃花源", "重庆市酉阳土家族苗族自治县***"),
    ("address_county", "重庆市酉阳县桃花源", "重庆市酉阳县***"),
    ("address_county", "湖南省 长沙市 岳麓区 幸福路", "湖南省 长沙市 岳麓区***"),
    ("address_county", "A市A2区景蓉华苑", "***"),
    ("address_county", "10 Downing Street", "***"),
    ("bank_card_4", "6222 0000 0000 1234567", "****4567"),
    ("bank_card_4", "622", "****"),
    ("credit_code_4", "91430100MA4L00000X", "****000X"),
    ("credit_code_4", "9143", "****"),
    ("plate_2", "湘A12345", "湘****45"),
    ("plate_2", "湘A·D12345", "湘****45"),
    ("plate_2", "12345", "****"),
    ("nonsense", "张三", "****"),
    ("withheld", "张三", "****"),
    ("redact_pii", "张三来信", "****"),
]


@pytest.mark.parametrize(("mask", "value", "shown"), TABLE)
def test_each_mask_shows_what_its_rule_says(mask: str, value: Any, shown: str) -> None:
    assert apply(mask, value, CONTEXT) == shown


def test_a_unit_shows_its_name_unless_it_is_accused() -> None:
    assert apply("name_first_char", "阳光物业有限公司", UNIT) == "阳光物业有限公司"
    assert apply("name_first_char", "阳光物业有限公司", ACCUSED_UNIT) == "**"


def test_the_credit_code_of_a_unit_is_masked_as_one() -> None:
    context = Context(base().surnames, base().divisions, id_type="credit_code")
    assert apply("id_6_4", "914301000000000000", context) == "****0000"


VALUES = st.one_of(
    st.none(),
    st.integers(),
    st.floats(),
    st.text(st.characters(), max_size=60),
    st.lists(st.text(max_size=10), max_size=3),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
)
HIDING = sorted(set(MASKS) - {NONE})


@given(st.sampled_from(HIDING), VALUES)
def test_masks_answer_for_any_value_at_all(mask: str, value: Any) -> None:
    assert isinstance(apply(mask, value, CONTEXT), str)


@given(
    st.sampled_from(sorted(set(HIDING) - {REDACT})),
    st.one_of(st.text("0123456789X", min_size=1, max_size=30), st.text("张欧阳三四五·•明a@.1", min_size=1, max_size=12)),
)
def test_masking_a_masked_value_changes_nothing(mask: str, value: str) -> None:
    once = apply(mask, value, CONTEXT)
    assert apply(mask, once, CONTEXT) == once


@given(st.from_regex(r"[0-9]{6}[0-9]{8}[0-9]{3}[0-9X]", fullmatch=True))
def test_a_masked_id_number_has_no_birth_date(number: str) -> None:
    assert apply("id_6_4", number, CONTEXT) == f"{number[:6]}********{number[-4:]}"


@given(st.text(st.characters(), min_size=1, max_size=40))
def test_a_masked_name_shows_two_characters_at_most(name: str) -> None:
    shown = apply("name_first_char", name, CONTEXT)
    assert shown.endswith("**")
    assert len(shown) <= 4


@given(st.text(st.characters(), max_size=40), st.sampled_from(["phone_3_4", "bank_card_4", "credit_code_4", "plate_2", "id_6_4"]))
def test_a_masked_number_shows_ten_characters_at_most(value: str, mask: str) -> None:
    shown = apply(mask, value, CONTEXT)
    assert len(shown.replace("*", "")) <= 10
    assert "*" in shown


@given(st.text("幸福路小区栋单元号室一二三湖南长沙岳麓", max_size=20))
def test_no_street_or_estate_is_ever_shown(tail: str) -> None:
    shown = apply("address_county", "湖南省长沙市岳麓区" + tail, CONTEXT)
    assert shown == "湖南省长沙市岳麓区***"


def test_the_masked_copy_holds_masked_values_and_redacted_texts_and_nothing_else() -> None:
    checked = validate(typical(), base(), today=TODAY)
    copy = mask_record(checked, base())
    catalogue = base().catalogue
    assert all(catalogue[path].sealed and catalogue[path].mask not in {"none", "withheld"} for path in copy)
    assert "content" not in copy
    assert "petitioners[].birth_date" not in copy
    assert "attachments[].sha256" not in copy
    shown = str(copy)
    for planted in (
        "张三",
        "欧阳小明",
        "999999199013321234",
        "10000001234",
        "10000005678",
        "幸福路12号",
        "501",
        "王五",
        "李四光",
        "买买提",
    ):
        assert planted not in shown


def test_at_high_protection_identity_is_not_even_in_the_masked_copy() -> None:
    copy = mask_record(validate(accusation(), base(), today=TODAY), base())
    assert not {path for path in copy if base().catalogue[path].identity}
    for surname in ("张**", "欧阳**", "司马**", "999999"):
        assert surname not in str(copy)
