"""How long a case is kept is proposed by rule, with its basis, from 1 January after its closing."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from petition_records import minimal, typical
from policies.retention import Proposal, propose
from policies.rulebook import load
from policies.rulebook.load import base, base_sources
from policies.validation import validate

TODAY = date(2026, 11, 22)


def proposed(record: dict[str, Any], rulebook: Any = None) -> Proposal:
    rulebook = rulebook or base()
    return propose(validate(record, rulebook, today=TODAY).facts, rulebook.retention)


def test_a_case_with_a_result_is_kept_thirty_years() -> None:
    proposal = proposed(typical())
    assert (proposal.retention_class, proposal.rule_id) == ("y30", "with-result")
    assert (proposal.starts_on, proposal.until, proposal.destruction_year) == (date(2025, 1, 1), date(2054, 12, 31), 2055)
    assert proposal.basis_zh
    assert proposal.basis_en


def test_a_leaders_instruction_with_a_result_is_kept_for_ever() -> None:
    record = typical()
    record["attachments"][0]["doc_kind"] = "leader_instruction"
    proposal = proposed(record)
    assert (proposal.retention_class, proposal.until, proposal.destruction_year) == ("permanent", None, None)


def test_without_a_result_ten_years() -> None:
    assert proposed(minimal()).retention_class == "y10"


def test_the_year_of_closing_is_the_year_in_shanghai() -> None:
    record = minimal()
    record["closed_at"] = "2023-12-31T16:00:00Z"
    assert proposed(record).starts_on == date(2025, 1, 1)
    record["closed_at"] = "2023-12-31T15:59:59Z"
    assert proposed(record).starts_on == date(2024, 1, 1)


@pytest.mark.parametrize(("wish", "given"), [("permanent", "permanent"), ("y10", "y30"), ("y1", "y30"), ("永久", "permanent")])
def test_a_depositor_may_ask_for_longer_and_not_for_shorter(wish: str, given: str) -> None:
    record = typical()
    record["proposed_retention_class"] = wish
    assert proposed(record).retention_class == given


def test_an_overlay_may_let_the_depositor_shorten_and_put_its_rules_first() -> None:
    record = typical()
    record["proposed_retention_class"] = "y1"
    assert proposed(record, load.compile(base_sources(), {"retention": {"depositor_may_shorten": True}})).retention_class == "y1"
    rule = {
        "id": "general",
        "class": "y5",
        "basis_zh": "本单位",
        "basis_en": "own list",
        "all": [{"paths": ["grade"], "codes": ["general"]}],
    }
    assert proposed(typical(), load.compile(base_sources(), {"retention": {"rule": [rule]}})).rule_id == "general"
