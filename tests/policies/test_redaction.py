"""The first redaction takes out every known entity in every disguise, and every number of a person by its shape."""

from __future__ import annotations

import time
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from petition_records import typical
from policies import folding
from policies.entities import Entities
from policies.masked_copy import mask_record
from policies.redaction import Redacted, Redactor, redact
from policies.rulebook.load import base
from policies.validation import validate

NAMES = base().surnames
PLACES = base().divisions


def known() -> Entities:
    found = Entities()
    found.person("张建国", NAMES)
    found.person("欧阳小明", NAMES)
    found.person("阿卜杜拉·买买提", NAMES)
    found.number("999999199013321234", "证件号")
    found.number("E12345678", "证件号")
    found.number("10000001234", "电话")
    found.number("0731-82123456", "电话")
    found.email("zhang@qq.com")
    found.address("湖南省长沙市岳麓区幸福路12号锦绣城小区3栋501室", PLACES)
    found.unit("长沙市阳光物业管理有限公司", PLACES)
    found.day("1990-01-02")
    return found


def run(text: str) -> Redacted:
    return redact(text, known(), NAMES)


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("张建国来信", "张建国"),
        ("张 建 国来信", "建"),
        ("张\u200b建\u200b国来信", "建"),
        ("建国说", "建国"),
        ("张某反映", "张某"),
        ("张某某反映", "张某"),
        ("张××反映", "张×"),
        ("张XX反映", "张X"),
        ("老张反映", "老张"),
        ("小张反映", "小张"),
        ("张主任反映", "张主任"),
        ("张先生反映", "张先生"),
        ("张总反映", "张总"),
        ("张工反映", "张工"),
        ("电话100，0000，1234。", "1234"),
        ("欧阳先生反映", "欧阳"),
        ("老欧阳反映", "欧阳"),
        ("阿卜杜拉•买买提反映", "买买提"),
        ("阿卜杜拉．买买提反映", "买买提"),
        ("阿卜杜拉买买提反映", "阿卜杜拉"),
        ("买买提反映", "买买提"),
        ("号999999199013321234。", "99013"),
        ("号999999 1990 1332 1234。", "1332"),
        ("号９９９９９９１９９０１３３２１２３４。", "３２"),
        ("号999999-19901332-1234。", "1332"),
        ("号999999901332123。", "1332"),
        ("号e12345678。", "345"),
        ("号Ｅ１２３４５６７８。", "３４"),
        ("电话10000001234。", "0000"),
        ("电话100-0000-1234。", "1234"),
        ("电话100 0000 1234。", "1234"),
        ("电话100\u200b0000\u200b1234。", "1234"),
        ("电话①⓪⓪⓪⓪⓪⓪①②③④。", "②"),
        ("电话一零零零零零零一二三四。", "二三四"),
        ("电话幺〇〇〇〇〇〇幺二三四。", "二三四"),
        ("电话一00零0001234。", "1234"),
        ("电话+86 10000001234。", "1234"),
        ("电话82123456。", "2123"),
        ("电话(0731)8212 3456。", "8212"),
        ("邮箱zhang@qq.com。", "zhang"),
        ("邮箱ＺＨＡＮＧ＠ｑｑ．ｃｏｍ。", "ＺＨＡ"),
        ("住幸福路12号锦绣城小区3栋501室。", "501"),
        ("住锦绣城小区。", "锦绣城"),
        ("住幸福路，", "幸福路"),
        ("在长沙市阳光物业管理有限公司上班", "阳光"),
        ("在阳光物业管理上班", "阳光物业"),
        ("生于1990年1月2日", "1990"),
        ("生于1990-01-02。", "01-02"),
        ("生于1990.1.2，", "1990.1"),
    ],
)
def test_what_the_case_knows_is_taken_out_in_every_form(text: str, gone: str) -> None:
    result = run(text)
    assert gone not in result.text
    assert result.spans
    assert "〔" in result.text


@pytest.mark.parametrize(
    ("text", "gone", "kind"),
    [
        ("身份证430999199013321234", "1332", "证件号"),
        ("身份证43099919901332123X", "123X", "证件号"),
        ("旧证430999901332123", "1332", "证件号"),
        ("手机13899990000", "9999", "电话"),
        ("座机0739-5551234", "5551", "电话"),
        ("座机07395551234", "5551", "电话"),
        ("卡号6222 9900 0000 1234 567", "9900", "卡号"),
        ("车牌湘A12345", "A123", "车牌"),
        ("车牌湘A·D12345", "D123", "车牌"),
        ("邮箱li.si@example.com", "li.si", "邮箱"),
        ("QQ：12345", "12345", "QQ号"),
        ("ＱＱ号是１２３４５６", "３４", "QQ号"),
        ("微信号：wxid_abc123", "abc", "微信号"),
        ("加V信lisi2020", "lisi", "微信号"),
        ("信用代码91430999MA4L00000X", "MA4L", "信用代码"),
        ("一三八九九九九零零零零", "九九", "电话"),
        ("护照E99988877", "9988", "号码"),
        ("6号楼2单元301室", "301", "地址"),
    ],
)
def test_numbers_of_strangers_are_taken_out_by_shape(text: str, gone: str, kind: str) -> None:
    result = redact(text, Entities(), NAMES)
    assert gone not in result.text
    assert kind in {span.type for span in result.spans}


@pytest.mark.parametrize(
    "text",
    [
        "2019年4月25日，依据湘政发〔2019〕12号文件第3条答复。",
        "2019-04-25至2019-05-30",
        "2016-2020年规划",
        "2016——2020年规划",
        "11、12、13、14号楼未验收",
        "班主任和党总支、汽车总站",
        "2019.4.25—2019.5.30",
        "于2019-04-25 14:30:00受理",
        "补偿3500000元",
        "面积12000000平方米",
        "总投资1,234,567元",
        "由于主任不在，任何经理都没有时间。",
        "一三五，二四六",
        "二〇二三年",
    ],
)
def test_dates_amounts_and_plain_words_are_left(text: str) -> None:
    assert redact(text, Entities(), NAMES).text == text


def test_strangers_are_found_by_their_titles_and_introductions() -> None:
    text = redact("我叫刘大海，李先生、钱某某和周女士都知道。联系人：孙悟", Entities(), NAMES).text
    for name in ("刘大海", "李先生", "钱某", "周女士", "孙悟"):
        assert name not in text


def test_one_person_has_one_token_through_all_texts_of_a_case() -> None:
    redactor = Redactor(known(), NAMES)
    first = redactor.text("张建国与欧阳小明")
    second = redactor.text("欧阳小明说老张（张某）的电话是10000001234")
    third = redactor.text("打100 0000 1234")
    assert first == "〔姓名1〕与〔姓名2〕"
    assert second == "〔姓名2〕说〔姓名1〕（〔姓名1〕）的电话是〔电话1〕"
    assert third == "打〔电话1〕"


WORDS = (
    "张建国", "张", "建 国", "欧阳", "小明", "老", "王", "先生", "主任", "某", "我叫", "姓名：", "李四光", "10000001234", "100", "0000",
    "1234", "一三", "〇", "0", "9", "-", " ", "　", "·", "\u200b", "，", "\n", "号", "栋", "室", "501", "2021-03", "-05", "19", "QQ", "Q",
    "\t", "微信", "京", "A", "BCDEF", "12345", "zhang", "@", "qq.com", "幸福路", "12号", "元", "万",
)  # fmt: skip


@settings(max_examples=3000)
@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=8).map("".join), max_size=5))
def test_texts_looked_through_at_once_are_redacted_as_one_after_the_other(texts: list[str]) -> None:
    one_by_one = Redactor(known(), NAMES)
    assert Redactor(known(), NAMES).texts(texts) == [one_by_one.text(text) for text in texts]


def test_texts_with_the_parting_character_in_them_are_redacted_too() -> None:
    assert Redactor(known(), NAMES).texts(["张建国\x00", "张建国"]) == ["〔姓名1〕\x00", "〔姓名1〕"]


def test_spans_point_into_the_original_and_do_not_overlap() -> None:
    text = "张\u200b建国（ｚｈａｎｇ＠ｑｑ．ｃｏｍ）电话100-0000-1234"
    result = run(text)
    assert [text[span.start : span.end] for span in result.spans] == ["张\u200b建国", "ｚｈａｎｇ＠ｑｑ．ｃｏｍ", "100-0000-1234"]
    assert [span.type for span in result.spans] == ["姓名", "邮箱", "电话"]


def test_a_check_digit_labels_confidence_and_is_no_gate() -> None:
    right, wrong = redact("110101199003070038", Entities()), redact("110101199003070039", Entities())
    assert {right.spans[0].confidence, wrong.spans[0].confidence} == {"high", "medium"}
    assert right.text == wrong.text == "〔证件号1〕"


def covered(result: Redacted, start: int, end: int) -> bool:
    """Whether every character of a stretch of the original was taken out."""
    return all(any(span.start <= index < span.end for span in result.spans) for index in range(start, end))


PLANTED = st.sampled_from(["张建国", "欧阳小明", "999999199013321234", "10000001234", "zhang@qq.com", "锦绣城小区3栋501室", "阳光物业管理"])
FILL = st.text(st.characters(codec="utf-8"), max_size=30)


@settings(max_examples=4000)
@given(FILL, PLANTED, FILL, PLANTED, FILL)
def test_no_planted_entity_survives_in_any_surrounding(before: str, one: str, between: str, other: str, after: str) -> None:
    result = run(before + one + between + other + after)
    assert one not in result.text
    assert other not in result.text
    start = len(before + one + between)
    assert covered(result, len(before), len(before + one))
    assert covered(result, start, start + len(other))


@settings(max_examples=400)
@given(
    FILL,
    st.lists(st.sampled_from(["", " ", "-", "\u200b", "　", "．", "–", "*", "\u200b ", "·"]), min_size=10, max_size=10),
    st.lists(st.integers(0, 4), min_size=11, max_size=11),
    FILL,
)
def test_a_telephone_number_is_found_through_separators_and_scripts(before: str, gaps: list[str], scripts: list[int], after: str) -> None:
    plain = "10000001234"
    styles = ["0123456789", "０１２３４５６７８９", "⓪①②③④⑤⑥⑦⑧⑨", "〇一二三四五六七八九", "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗"]
    written = [styles[script][int(digit)] for script, digit in zip(scripts, plain, strict=True)]
    number = written[0] + "".join(gap + digit for gap, digit in zip(gaps, written[1:], strict=True))
    start = len(before) + 1
    assert covered(run(before + "，" + number + "，" + after), start, start + len(number))


@given(st.text(st.characters(), max_size=200))
def test_redaction_is_total_and_its_spans_rebuild_the_text(text: str) -> None:
    result = run(text)
    done = 0
    for span in result.spans:
        assert done <= span.start < span.end <= len(text)
        done = span.end
    rest, pieces = result.text, []
    done = 0
    for span in result.spans:
        pieces.append(text[done : span.start])
        done = span.end
    pieces.append(text[done:])
    for piece in pieces:
        assert piece in rest


@pytest.mark.parametrize(
    "unit",
    [
        "1 ",
        "1-",
        "一",
        "a@",
        "@",
        "A",
        "1a",
        "QQ",
        "微信",
        "幸福路",
        "张",
        "张某",
        "2019-",
        "\u200b",
        " ",
        "湘A",
        "密 ",
        "1, ",
        "栋1",
        "我叫张",
        ".",
    ],
)
def test_hostile_texts_take_linear_time(unit: str) -> None:
    """The longest text a record may hold, made to backtrack: each within seconds where a quadratic pattern needs minutes."""
    text = unit * (50_000 // len(unit))
    started = time.process_time()
    run(text)
    assert time.process_time() - started < 4


@pytest.mark.parametrize("street_office", ["城关街道", "城厢镇", "园林街道"])
def test_a_street_office_that_begins_like_an_ending_is_taken_out_whole(street_office: str) -> None:
    record = typical()
    record["petitioners"][0]["address"] = f"湖南省长沙市岳麓区{street_office}石桥路12号"
    record["title"] = f"{street_office}道路破损严重"
    masked = mask_record(validate(record, base(), today=date(2026, 3, 1)), base())
    assert street_office not in masked["title"]
    assert street_office[1:] not in masked["title"]
    assert masked["title"].startswith("〔")


def test_folding_by_replacement_is_folding_character_by_character() -> None:
    for point in range(0x110000):
        character = chr(point)
        assert folding._folded(character) == character.translate(folding._TABLE)
    assert not folding._CHANGED.keys() & set(folding._CHANGED.values())
    assert not folding.NUMERALS.keys() & set(folding.NUMERALS.values())


@given(st.text(st.sampled_from("abＡｂ①，：。（）〇零壹幺９٣·•⋅文字\U0001d7d8\u200bé㎏ﬁ"), max_size=40))
def test_a_folded_text_is_its_folded_characters(text: str) -> None:
    assert folding._folded(text) == text.translate(folding._TABLE)
    assert folding.digits(text) == "".join(folding.NUMERALS.get(character, character) for character in text)
