"""Rules between the fields of one normalised record. Their texts and limits are in rulebook/invariants.toml under the same ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from foundation.errors import Fault
from policies.codes import UNKNOWN, CodeLists
from policies.faults import Faults
from policies.shape import opened

Record = Mapping[str, Any]
Finding = tuple[str, Mapping[str, str]]
"""The path a rule is broken at, and words for its text that come from the rulebook."""
_PLAIN: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Closure:
    required: tuple[str, ...]
    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Invariants:
    """Limits, stages by way of closing, and the text of every rule."""

    limits: Mapping[str, int]
    closure: Mapping[str, Closure]
    texts: Mapping[str, tuple[str, str]]
    stage_names: Mapping[str, tuple[str, str]]


Rule = Callable[[Record, Invariants], Iterator[Finding]]


def office_day(utc: str) -> date:
    """The day in Asia/Shanghai of a stored time."""
    return (datetime.fromisoformat(utc[:-1]) + timedelta(hours=8)).date()


def accepted_at(record: Record) -> str | None:
    """When the case was accepted: the end of its acceptance stage, its start where the end is not told."""
    times = [stage.get("finished_at") or stage.get("started_at") for stage in record["stages"] if stage.get("stage") == "acceptance"]
    return min((time for time in times if time), default=None)


def is_accusation(record: Record) -> bool:
    """Accusation by class, by purpose, or because a party is accused: any of them closes the wall (art. 30)."""
    return (
        record.get("statutory_class") == "accusation"
        or record.get("petition_purpose") == "accusation"
        or any(party.get("party_role") == "accused" for party in record["involved_parties"])
    )


def _closed_after_acceptance(record: Record, _rules: Invariants) -> Iterator[Finding]:
    accepted, closed = accepted_at(record), record.get("closed_at")
    if accepted and closed and closed < accepted:
        yield "closed_at", _PLAIN


def _closed_after_petition(record: Record, _rules: Invariants) -> Iterator[Finding]:
    day, closed = record.get("petition_date"), record.get("closed_at")
    if day and closed and office_day(closed).isoformat() < day:
        yield "closed_at", _PLAIN


def _registered_after_petition(record: Record, _rules: Invariants) -> Iterator[Finding]:
    day, registered = record.get("petition_date"), record.get("registered_at")
    if day and registered and office_day(registered).isoformat() < day:
        yield "registered_at", _PLAIN


def _extension(record: Record) -> int:
    return sum(stage.get("extension_days", 0) for stage in record["stages"])


def _extension_limit(record: Record, rules: Invariants) -> Iterator[Finding]:
    if _extension(record) > rules.limits["extension_days"]:
        yield "stages", _PLAIN


def _due_limit(record: Record, rules: Invariants) -> Iterator[Finding]:
    accepted = accepted_at(record)
    if accepted is None:
        return
    latest = office_day(accepted) + timedelta(days=rules.limits["term_days"] + min(_extension(record), 366))
    for number, stage in enumerate(record["stages"]):
        if "due_at" in stage and office_day(stage["due_at"]) > latest:
            yield f"stages[{number}].due_at", _PLAIN


def _representatives(record: Record, rules: Invariants) -> Iterator[Finding]:
    if record.get("is_group_visit") and sum(1 for one in record["petitioners"] if one.get("is_primary")) > rules.limits["representatives"]:
        yield "petitioners", _PLAIN


def _petitioner_count(record: Record, _rules: Invariants) -> Iterator[Finding]:
    if record.get("petitioner_count", len(record["petitioners"])) < len(record["petitioners"]):
        yield "petitioner_count", _PLAIN


def _stage_missing(record: Record, rules: Invariants) -> Iterator[Finding]:
    told = record.get("provenance", {})
    if UNKNOWN in (told.get("stages[].stage"), told.get("stages[]")):
        return
    closure = rules.closure.get(record.get("closure_type", UNKNOWN))
    present = {stage.get("stage") for stage in record["stages"]}
    for stage in closure.required if closure else ():
        if stage not in present:
            zh, en = rules.stage_names[stage]
            yield "stages", {"stage_zh": zh, "stage_en": en}


def _stage_refused(record: Record, rules: Invariants) -> Iterator[Finding]:
    closure = rules.closure.get(record.get("closure_type", UNKNOWN))
    for number, stage in enumerate(record["stages"]):
        if closure and stage.get("stage") in closure.refused:
            yield f"stages[{number}].stage", _PLAIN


def _stage_archiving(record: Record, _rules: Invariants) -> Iterator[Finding]:
    for number, stage in enumerate(record["stages"]):
        if stage.get("stage") == "archiving":
            yield f"stages[{number}].stage", _PLAIN


def _order(group: str, first: str, second: str) -> Rule:
    """The later of two times or days in the items of a group is not before the earlier."""

    def rule(record: Record, _rules: Invariants) -> Iterator[Finding]:
        for number, item in enumerate(record[group]):
            if first in item and second in item and item[second] < item[first]:
                yield f"{group}[{number}].{second}", _PLAIN

    return rule


def _review_missing(record: Record, _rules: Invariants) -> Iterator[Finding]:
    wanted = {"review_concluded": "review", "second_review_concluded": "second_review"}.get(record.get("closure_type", ""))
    told = record.get("provenance", {})
    if wanted and told.get("reviews[]") != UNKNOWN and all(review.get("review_kind") != wanted for review in record["reviews"]):
        yield "reviews", _PLAIN


def _repeat_contradiction(record: Record, _rules: Invariants) -> Iterator[Finding]:
    repeated = record.get("repeat_of_case_no")
    if repeated is not None and (record.get("is_repeat") is False or repeated == record.get("case_no")):
        yield "repeat_of_case_no", _PLAIN


RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "closed-after-acceptance": _closed_after_acceptance,
        "closed-after-petition": _closed_after_petition,
        "registered-after-petition": _registered_after_petition,
        "extension-limit": _extension_limit,
        "due-limit": _due_limit,
        "representatives": _representatives,
        "petitioner-count": _petitioner_count,
        "stage-missing": _stage_missing,
        "stage-refused": _stage_refused,
        "stage-archiving": _stage_archiving,
        "stage-order": _order("stages", "started_at", "finished_at"),
        "delivery-order": _order("replies", "issued_at", "delivered_at"),
        "review-order": _order("reviews", "requested_at", "concluded_at"),
        "review-missing": _review_missing,
        "policy-order": _order("policy_bases", "effective_from", "effective_until"),
        "repeat-contradiction": _repeat_contradiction,
    }
)
NEEDS_WHOLE: Final[Mapping[str, str]] = {"stage-missing": "stages", "review-missing": "reviews", "petitioner-count": "petitioners"}
"""Rules that count items: silent where an item was refused, for its absence is not the depositor's."""
ELSEWHERE: Final = frozenset({"anonymous-identity", "retention-until"})
"""Rules held by the reader of identity fields and by the retention proposal; their texts stand with the others."""


def check(record: Record, rules: Invariants, faults: Faults) -> None:
    """Add a fault for every rule the normalised record breaks."""
    for name, rule in RULES.items():
        if name in NEEDS_WHOLE and faults.under(NEEDS_WHOLE[name]):
            continue
        for path, words in rule(record, rules):
            faults.put(fault(name, path, rules, words))


def fault(name: str, path: str, rules: Invariants, words: Mapping[str, str] = _PLAIN) -> Fault:
    """The fault of an invariant, with its limits filled in."""
    zh, en = rules.texts[name]
    return Fault(path, name, zh.format_map({**rules.limits, **words}), en.format_map({**rules.limits, **words}))


def load(sources: Mapping[str, Any], codes: CodeLists) -> Invariants:
    """Read invariants.toml; every rule has its text, every way of closing its stages."""
    root = opened(sources, "invariants")
    root.number("version", least=1)
    table = root.table("limits")
    limits = {name: table.number(name, least=1) for name in ("representatives", "term_days", "extension_days", "guarded_age")}
    table.done()
    stages = codes["stage"]
    closure: dict[str, Closure] = {}
    table = root.table("closure")
    for code in codes["closure_type"].codes:
        row = table.table(code)
        names = tuple(stages.codes)
        closure[code] = Closure(row.words("required", allowed=names), row.words("refused", allowed=names))
        row.done()
    table.done()
    texts: dict[str, tuple[str, str]] = {}
    table = root.table("rule")
    for name in (*RULES, *sorted(ELSEWHERE)):
        row = table.table(name)
        texts[name] = (row.text("zh"), row.text("en"))
        row.done()
    table.done()
    root.done()
    stage_names = {code: (one.label_zh(stages.versions[-1].version), one.label_en) for code, one in stages.codes.items()}
    return Invariants(MappingProxyType(limits), MappingProxyType(closure), MappingProxyType(texts), MappingProxyType(stage_names))
