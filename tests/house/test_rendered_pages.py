"""What people read is what decides: the pages made from the rules are those the rules make now."""

from __future__ import annotations

import pytest

from rendered_pages import DOCS, PAGES


@pytest.mark.parametrize("name", PAGES)
def test_each_page_made_from_the_rules_is_what_they_make_now(name: str) -> None:
    assert (DOCS / name).read_bytes() == PAGES[name]().encode(), "run: python3 dev.py render"
