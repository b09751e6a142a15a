from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault import normalise
from vault.normalise import NORMALISERS, eighteen_digits, normalise_id_number, normalise_name, normalise_phone, normalise_plain

# Mostly what people type, sometimes anything Unicode has.
TYPED = st.text(
    st.sampled_from(" 　\t·•・．‧･.-—()（）+0123456789０１８６xXｘＸ买提ＡａßİǅﬀＡ１龍金\u200b\u202e\ufe01\u0301\u0345"), max_size=24
)
ANYTHING = st.text(max_size=40) | TYPED


@pytest.mark.parametrize("field_class", sorted(NORMALISERS))
@given(ANYTHING)
def test_normalising_twice_changes_nothing_more(field_class: str, value: str) -> None:
    once = NORMALISERS[field_class](value)
    assert NORMALISERS[field_class](once) == once


@pytest.mark.parametrize("field_class", sorted(NORMALISERS))
@given(st.text(st.characters(), max_size=30))
def test_normalisers_are_total_and_their_results_can_be_encoded(field_class: str, value: str) -> None:
    NORMALISERS[field_class](value).encode()


@given(
    st.from_regex(r"[一-\u9fff]{1,6}", fullmatch=True),
    st.from_regex(r"[0-9]{17}[0-9X]", fullmatch=True),
    st.from_regex(r"1[0-9]{10}", fullmatch=True),
)
def test_what_is_taken_for_its_own_normal_form_is_that(name: str, number: str, phone: str) -> None:
    assert normalise._name_once(name) == name
    assert normalise._id_once(number) == number
    assert normalise._phone_once(phone) == phone


@pytest.mark.parametrize("dot", "·•・．‧･∙⋅・.")
def test_every_middle_dot_is_one(dot: str) -> None:
    assert normalise_name(f"测试提{dot}样例江") == "测试提·样例江"
    assert normalise_name(f" 测试提 {dot} 样例江　") == "测试提·样例江"


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("  欧阳　测试 ", "欧阳测试"),
        ("Ｔｅｓｔ　Ｐｅｒｓｏｎ", "testperson"),
        ("TEST Person", "testperson"),
        ("测\u200b试\u202e甲", "测试甲"),
        ("测试\ufe00甲", "测试甲"),
        ("", ""),
        ("　", ""),
    ],
)
def test_names_lose_spaces_width_case_and_invisible_characters(typed: str, expected: str) -> None:
    assert normalise_name(typed) == expected


def test_different_names_stay_different() -> None:
    names = ["测试提·样例江", "测试提样例江", "测试提·样例", "欧阳测试", "阳欧测试"]
    assert len({normalise_name(name) for name in names}) == len(names)


def test_an_old_id_number_becomes_the_new_one_with_its_check_digit() -> None:
    # GB 11643-1999's own example, 11010519491231002X, belongs to the standard, not to a person.
    assert eighteen_digits("110105491231002") == "11010519491231002X"
    assert normalise_id_number("110105 491231 002") == "11010519491231002X"
    assert normalise_id_number("11010519491231002x") == "11010519491231002X"
    assert normalise_id_number("１１０１０５１９４９１２３１００２ｘ") == "11010519491231002X"
    assert normalise_id_number("110105-19491231-002x") == "11010519491231002X"


@given(st.text("0123456789", min_size=15, max_size=15))
def test_every_check_digit_satisfies_mod_11_2(fifteen: str) -> None:
    number = eighteen_digits(fifteen)
    digits = [10 if char == "X" else int(char) for char in number]
    assert sum(digit * pow(2, 17 - place, 11) for place, digit in enumerate(digits)) % 11 == 1


def test_other_documents_keep_their_letters_and_a_wrong_check_digit_is_not_mended() -> None:
    assert normalise_id_number("e1234567 8") == "E12345678"
    assert normalise_id_number("军字第0000001号") == "军字第0000001号"
    assert normalise_id_number("999999199913320000") == "999999199913320000"


@pytest.mark.parametrize(
    "typed",
    [
        "10000001234",
        "100 0000 1234",
        "100-0000-1234",
        "+86 10000001234",
        "+8610000001234",
        "008610000001234",
        "8610000001234",
        "１００００００１２３４",
        "(+86)10000001234",
        "＋86-100-0000-1234",
    ],
)
def test_a_mobile_number_is_found_in_every_spelling(typed: str) -> None:
    assert normalise_phone(typed) == "10000001234"


@pytest.mark.parametrize("typed", ["010-00001234", "(010)00001234", "+86 10 00001234", "0086 010 00001234", "861000001234"])
def test_a_landline_is_found_with_and_without_country_code(typed: str) -> None:
    assert normalise_phone(typed) == "01000001234"


def test_numbers_that_only_begin_like_a_prefix_are_kept() -> None:
    assert normalise_phone("86001234") == "86001234"
    assert normalise_phone("400-000-1234") == normalise_phone("+86 4000001234") == "4000001234"
    assert normalise_phone("+1 202 555 0100") == normalise_phone("001 2025550100") == "0012025550100"
    assert normalise_phone("无") == ""
    assert normalise_phone("+86") == ""


def test_plain_text_keeps_its_words() -> None:
    assert normalise_plain("  Ｔｅｓｔ \n Unit ") == "test unit"
