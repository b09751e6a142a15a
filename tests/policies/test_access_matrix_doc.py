"""What people read is what decides."""

from __future__ import annotations

from dataclasses import replace

import decision_world as w
from house_rules import ROOT
from policies import access_matrix_doc
from policies.actions import ACTIONS, NOT_BUILT
from policies.classes import CLASSES
from policies.roles import ROLES

RULES = w.rules()


def rendered() -> str:
    return access_matrix_doc.render(RULES)


def test_the_page_names_every_role_class_action_and_field() -> None:
    page = rendered()
    for name in (*ROLES, *CLASSES, *ACTIONS, *RULES.catalogue.fields, *RULES.purposes.by_code, *RULES.limits.by_code):
        assert f"`{name}`" in page


def test_a_changed_cell_changes_the_page() -> None:
    from policies import matrix

    sources = w.sources()
    sources["matrix"]["cells"]["handler"]["identity"]["open"] = "masked"
    sources["matrix"]["cells"]["handler"]["identity"]["export"] = "masked"
    changed = access_matrix_doc.render(replace(RULES, matrix=matrix.load(sources)))
    assert changed != rendered()


def test_a_right_is_marked_as_not_built_exactly_where_no_door_asks_for_it() -> None:
    # archive/wall_body.py asks who could resolve an accusation, not whether somebody may.
    doors = [path for room in ("acts", "archive", "office", "reviews", "service") for path in (ROOT / room).rglob("*.py")]
    texts = "".join(path.read_text("utf-8") for path in doors if path.name != "wall_body.py")
    assert {action for action in ACTIONS if f'"{action}"' not in texts} == NOT_BUILT
    marked = {line for line in rendered().splitlines() if "尚未开放 not built yet" in line}
    assert len(marked) == len(NOT_BUILT)
    assert all(any(f"`{action}`" in line for line in marked) for action in NOT_BUILT)
