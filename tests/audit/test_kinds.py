from __future__ import annotations

import re

from audit.kinds import GROUPS, KINDS, OBJECTS


def test_every_kind_has_a_code_two_languages_a_group_and_known_objects():
    for code, kind in KINDS.items():
        assert kind.code == code
        assert re.fullmatch(r"[a-z]+\.[a-z-]{1,30}", code)
        assert kind.zh
        assert kind.en
        assert kind.group in GROUPS
        assert set(kind.objects) <= OBJECTS.keys()
        assert kind.objects or not kind.required


def test_everything_that_shows_record_content_is_marked_as_disclosing():
    expected = {
        "case.viewed",
        "case.listed",
        "case.searched",
        "case.faceted",
        "case.searched-by-identity",
        "access.intent",
        "access.outcome",
    }
    assert {kind.code for kind in KINDS.values() if kind.discloses} == expected
