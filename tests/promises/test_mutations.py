"""Each promise of the README is guarded by rules, each rule by a test that attacks it: take the rule out, and that test must fail.

A mutation is one small edit to a copy of the tree. It must apply exactly once, and the named test must then fail.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from house_rules import ROOT

IGNORED = shutil.ignore_patterns(
    ".venv", ".git", "var", "*.pyc", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"
)


@dataclass(frozen=True, slots=True)
class Mutation:
    """`rule` as a sentence that is false once `old` has become `new`."""

    rule: str
    file: str
    old: str
    new: str
    test: str


MUTATIONS = (
    # 1. Nobody sees more than allowed.
    Mutation(
        "nobody approves their own request",
        "policies/eligibility.py",
        "if person.person_id == matter.applicant_id:",
        "if person.person_id is None:",
        "tests/policies/test_chain_resolution.py::test_nobody_decides_their_own_request_even_holding_every_post",
    ),
    Mutation(
        "a grant lifts fields for its holder alone",
        "policies/grant_state.py",
        "        and grant.holder_id == principal.person_id\n        and grant.role == principal.role\n",
        "",
        "tests/archive/test_openings.py::test_a_grant_opens_for_its_holder_and_for_nobody_else",
    ),
    Mutation(
        "a returned grant is none",
        "policies/grant_state.py",
        'if grant.returned_at is not None:\n        return "returned"',
        'if grant.returned_at is not None and grant.uses < 0:\n        return "returned"',
        "tests/archive/test_openings.py::test_a_grant_that_ended_opens_nothing_even_inside_a_running_session",
    ),
    Mutation(
        "uses are never overspent",
        "archive/requests/store.py",
        "            grants.c.uses < grants.c.max_uses,\n",
        "",
        "tests/archive/test_openings.py::test_openings_are_never_overspent_by_any_number_of_threads",
    ),
    Mutation(
        "the accused stand outside lists and counts",
        "archive/scoping.py",
        "and_(~accused, or_(",
        "and_(or_(",
        "tests/archive/test_wall.py::test_an_accused_inspector_finds_lists_and_counts_as_if_the_case_were_not_there",
    ),
    Mutation(
        "an unresolved accusation is open to named persons only",
        "archive/scoping.py",
        "or_(and_(cases.c.wall_resolved == 1, walled), named)",
        "or_(cases.c.wall_resolved >= 0, named)",
        "tests/archive/test_wall.py::test_an_unresolved_accusation_is_open_to_the_persons_named_and_to_nobody_else",
    ),
    Mutation(
        "anonymous cases leave no tag",
        "archive/preparing.py",
        "    if checked.anonymous:\n        return\n",
        "",
        "tests/archive/test_intake.py::test_an_anonymous_case_leaves_no_tag_to_search_by",
    ),
    Mutation(
        "a cursor is bound to its account and question",
        "archive/finding.py",
        "not hmac.compare_digest(tag, _cursor_tag(desk, caller, digest, payload))",
        "not tag",
        "tests/archive/test_reading.py::test_a_cursor_is_worth_nothing_to_another_person_question_or_hand",
    ),
    Mutation(
        "a sealed value opens in its own fonds alone",
        "vault/sealed.py",
        "+ prefixed(context.fonds.encode())",
        '+ prefixed(b"")',
        "tests/vault/test_sealing.py",
    ),
    # 2. Nothing off the record.
    Mutation(
        "an act without an entry is rolled back",
        "foundation/uow.py",
        "if job.recorded and not unit.tickets:",
        "if job.recorded and unit.tickets is None:",
        "tests/foundation/test_uow.py::test_an_act_without_an_entry_is_taken_back",
    ),
    Mutation(
        "a masked view is on record before it is opened",
        "archive/reading.py",
        "    index = desk.uow.run(caller.fonds, lambda unit: unit.add(event)).index\n",
        "    index = 0 if event else 1\n",
        "tests/archive/test_reading.py::test_nothing_is_opened_when_the_look_cannot_be_recorded",
    ),
    Mutation(
        "versions cannot be changed by the application",
        "service/migrations/versions/0005_who_may_write.py",
        '    WriteOnce("case_versions", (("fonds", "case_id", "version"), ("fonds", "entry_id"))),\n',
        "",
        "tests/service/test_migrations.py::test_no_append_only_trigger_is_missing",
    ),
    Mutation(
        "a checkpoint's signature is checked",
        "tlog/checkpoint.py",
        "verify_note(",
        "parse_note(",
        "tests/tlog/test_verify.py",
    ),
    # 3. Nothing acknowledged is lost.
    Mutation(
        "a decision stands on the version that was read",
        "policies/request_state.py",
        "    if if_match != state.version:\n",
        "    if if_match < 0:\n",
        "tests/archive/test_openings.py::test_a_decision_on_a_version_that_was_not_read_is_refused",
    ),
    Mutation(
        "the same case number is one case",
        "archive/intake.py",
        "        if number in known:\n",
        "        if number in known and key:\n",
        "tests/archive/test_intake.py::test_the_same_content_again_answers_the_same_receipt",
    ),
)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.rule.replace(" ", "-"))
def test_an_attack_is_seen_to_succeed_without_its_rule(mutation: Mutation, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(ROOT, copy, ignore=IGNORED)
    target = copy / mutation.file
    source = target.read_text(encoding="utf-8")
    assert source.count(mutation.old) == 1, "the mutation must apply exactly once"
    target.write_text(source.replace(mutation.old, mutation.new), encoding="utf-8")
    # `python -m` puts the copy first on the path, before the installed tree. SQLite alone is enough to see a rule missing.
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-k", "not postgresql", mutation.test],
        cwd=copy,
        env={name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHON", "ARCHIVE_"))},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert run.returncode == 1, f"{mutation.rule}: the test did not fail\n{run.stdout[-2000:]}\n{run.stderr[-500:]}"
    assert " failed" in run.stdout or " error" in run.stdout
