"""What an installation lays over the rulebook for one fonds is in force there alone, on record, or nothing is served."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from acts.desk import Desk
from audit.trail import Question, ask_within
from foundation.tables import SYSTEM_FONDS
from fresh_databases import BACKENDS, DatabaseUrls, FreshDatabases
from office.founding import NewFonds, found_fonds
from policies.rulebook import load
from policies.rulebook.load import base
from service.founding import found_archive
from service.house import House
from service.rulebooks import OverlayRefused
from service.wiring import Settings, open_archive
from small_archive import settings_for

TIGHTER = "[limits.limits.lock_after]\nvalue = 3\n\n[limits.limits.opening_length]\nvalue = 5\n"
ADDING = """
[[fields.field]]
path = "extra_note"
label_zh = "附注"
label_en = "Note"
type = "string"
format = "line"
max_length = 50
required = false
classification = "internal"
search = ["facet"]
mask = "none"
sealed = false
tier = "extended"
class = "handling_fact"

"""


@pytest.fixture(params=BACKENDS)
def urls(request: pytest.FixtureRequest, fresh_databases: FreshDatabases) -> Iterator[DatabaseUrls]:
    with fresh_databases.fresh(request.param) as made:
        yield made


@pytest.fixture
def founded(urls: DatabaseUrls, tmp_path: Path) -> Settings:
    settings = settings_for(urls, tmp_path)
    found_archive(settings, "archive.example", migrate=False)
    with opened(settings) as house:
        for code in ("F001", "F002"):
            found_fonds(house.desk, NewFonds(code, "示例市信访局", "Example city"))
    return settings


@contextmanager
def opened(settings: Settings) -> Iterator[House]:
    house = open_archive(settings)
    try:
        yield house
    finally:
        house.close()


def lay(settings: Settings, name: str, text: str | bytes) -> Path:
    settings.rulebook_folder.mkdir(exist_ok=True)
    path = settings.rulebook_folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def activated(desk: Desk, fonds: str) -> list[str]:
    with desk.db.read() as conn:
        found = ask_within(conn, fonds, Question(kinds=("rulebook.activated",))).found
    assert all(one.entry.members["policy_version"] == one.entry.members["object"]["id"] for one in found)
    return [one.entry.members["object"]["id"] for one in reversed(found)]


def test_an_overlay_rules_its_fonds_alone_and_names_itself_in_every_entry(founded: Settings) -> None:
    lay(founded, "F001.toml", TIGHTER)
    with opened(founded) as house:
        mine, other = house.desk.rulebook("F001"), house.desk.rulebook("F002")
        assert (mine.limits.count("opening_length"), other.limits.count("opening_length")) == (5, 15)
        assert (house.auth.policy_of("F001").lock_after, house.auth.policy_of("F002").lock_after) == (3, 5)
        assert mine.version != other.version == base().version
        assert activated(house.desk, "F001") == [base().version, mine.version]
        assert activated(house.desk, "F002") == activated(house.desk, SYSTEM_FONDS) == [base().version]


def test_a_version_is_recorded_as_activated_when_it_changes_and_not_at_every_start(founded: Settings) -> None:
    path = lay(founded, "F001.toml", TIGHTER)
    laid = load.compile(load.base_sources(), load.parse("F001", TIGHTER)).version
    for _ in range(2):
        with opened(founded) as house:
            assert activated(house.desk, "F001") == [base().version, laid]
    path.unlink()
    with opened(founded) as house:
        assert activated(house.desk, "F001") == [base().version, laid, base().version]


@pytest.mark.parametrize(
    ("name", "text", "zh", "en"),
    [
        (
            "F001.toml",
            "[limits.limits.lock_after]\nvalue = 8\n",
            "limits.lock_after.value（附加规则只能收紧此限额",
            "only tighten this limit of 5",
        ),
        ("F001.toml", "[limits.limits.password_max_age]\nvalue = 4000\n", "limits.password_max_age.value", "at most 365"),
        ("F001.toml", "[matrix.rights.handler]\n", "附加规则不得改动此部分", "an overlay may not change this file"),
        ("F001.toml", "lock_after = 3\n", "overlay:lock_after", "an overlay may not change this file"),
        ("F001.toml", "[limits", "F001", "is not TOML"),
        ("F001.toml", "a = " + "[" * 5000 + "]" * 5000, "F001", "is not TOML"),
        ("F001.toml", "[[fields.field]]\npath = ['a']\n", "path", "must be a text"),
        ("F001.toml", b"\xff\xfe", "不是 UTF-8", "not UTF-8"),
        ("F0O1.toml", TIGHTER, "本库没有全宗 F0O1", "no fonds F0O1"),
        ("F001.tml", TIGHTER, "只放“全宗号.toml”", "holds <fonds>.toml only"),
    ],
)
def test_an_overlay_that_cannot_be_used_stops_the_start_with_its_file_place_and_rule(
    founded: Settings, name: str, text: str | bytes, zh: str, en: str
) -> None:
    path = lay(founded, name, text)
    with pytest.raises(OverlayRefused) as refused:
        open_archive(founded)
    assert str(path) in refused.value.text_zh
    assert zh in refused.value.text_zh
    assert en in refused.value.text_en
    path.unlink()
    with opened(founded) as house:
        assert activated(house.desk, "F001") == [base().version]


@pytest.mark.parametrize("text", ["", TIGHTER], ids=["emptied", "tightened"])
def test_a_field_or_code_that_cases_may_hold_cannot_be_taken_away_again(founded: Settings, text: str) -> None:
    lay(founded, "F001.toml", ADDING)
    with opened(founded) as house:
        assert house.desk.rulebook("F001").catalogue["extra_note"].label_en == "Note"
        added = activated(house.desk, "F001")
    path = lay(founded, "F001.toml", text)
    with pytest.raises(OverlayRefused) as refused:
        open_archive(founded)
    assert "extra_note" in refused.value.text_zh
    assert "extra_note was added before" in refused.value.text_en
    lay(founded, "F001.toml", ADDING + TIGHTER)
    with opened(founded) as house:
        assert activated(house.desk, "F001") == [*added, house.desk.rulebook("F001").version]
    path.unlink()
    with pytest.raises(OverlayRefused):
        open_archive(founded)


def test_a_fonds_is_founded_under_the_overlay_that_waits_for_it(founded: Settings) -> None:
    path = lay(founded, "F003.toml", ADDING)
    house = open_archive(founded, purpose="act")
    try:
        found_fonds(house.desk, NewFonds("F003", "示例区信访局", "Example district"))
        assert activated(house.desk, "F003") == [house.desk.rulebook("F003").version] != [base().version]
    finally:
        house.close()
    with opened(founded):
        path.write_text(TIGHTER, encoding="utf-8")
    with pytest.raises(OverlayRefused):
        open_archive(founded)


def test_a_time_of_day_in_an_overlay_is_a_part_of_its_version_like_any_other_value() -> None:
    versions = {
        load.compile(load.base_sources(), load.parse("F001", f"[fields]\nversion = {at}\n")).version for at in ("07:32:00", "07:33:00")
    }
    assert len(versions | {base().version}) == 3
