"""What people read is what decides."""

from __future__ import annotations

import decision_world as w
from house_rules import ROOT
from policies import access_matrix_doc
from policies.actions import ACTIONS
from policies.classes import CLASSES
from policies.roles import ROLES

RULES = w.rules()
PAGE = ROOT / "docs" / "access-matrix.md"


def rendered() -> str:
    return access_matrix_doc.render(RULES.roles, RULES.matrix, RULES.classes, RULES.chains, RULES.purposes)


def test_the_committed_page_is_what_the_rulebook_renders() -> None:
    assert PAGE.read_text("utf-8") == rendered(), "the rules changed: write access_matrix_doc.render(...) to docs/access-matrix.md"


def test_the_page_names_every_role_class_action_and_field() -> None:
    page = rendered()
    for name in (*ROLES, *CLASSES, *ACTIONS, *RULES.classes.fields, *RULES.purposes.by_code):
        assert f"`{name}`" in page


def test_a_changed_cell_changes_the_page() -> None:
    from policies import matrix

    sources = w.sources()
    sources["matrix"]["cells"]["handler"]["identity"]["open"] = "masked"
    sources["matrix"]["cells"]["handler"]["identity"]["export"] = "masked"
    changed = access_matrix_doc.render(RULES.roles, matrix.load(sources), RULES.classes, RULES.chains, RULES.purposes)
    assert changed != rendered()
