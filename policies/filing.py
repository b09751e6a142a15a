"""Whether a form may be filed as it stands: every fault at once, by rule and by its place in the form, never with a value sent."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from foundation.errors import Fault
from policies.chain import Chains
from policies.classes import Classes
from policies.facts import CaseFacts, FilingFacts
from policies.level import Level
from policies.purposes import Purpose, Purposes
from policies.visibility import Table

_WORDS = {
    "purpose-not-allowed": ("查询目的不在该角色的清单内：{codes}。", "The purpose is not on the list for this role: {codes}."),
    "nothing-asked": ("没有列明案卷和字段。", "No case and field is named."),
    "too-many-cases": ("案卷数超过上限。", "More cases than one form may name."),
    "case-not-asked": ("所列案卷与字段不对应。", "The cases and the fields named do not belong together."),
    "case-corrected": ("该案卷版本已被更正，请按新版本申请。", "This version was corrected since: ask for the new one."),
    # One answer for a field that does not exist and for one that this role can never have.
    "field-not-askable": (
        "该字段不可申请：须为完整的字段路径（如 petitioners[].name），且授权能使该角色看到更多。",
        "This field cannot be asked for: it must be a whole path, as petitioners[].name, and one of which a grant shows this role more.",
    ),
    "birth-date-needs-id-number": (
        "出生日期（年龄）须与证件号码明文一并申请：与脱敏证件号码并列会还原全号。",
        "Birth date or age needs the ID number in clear too: beside the masked number it would restore it.",
    ),
    "level-not-askable": ("只能申请脱敏或明文。", "Only masked or clear can be asked for."),
    "end-before-start": ("期限终点须晚于起点和当前时间。", "The end must be after the start, and in the future."),
    "too-long": ("期限超过该目的允许的天数。", "Longer than this purpose allows."),
    "openings-out-of-range": ("调阅次数须为 1 至该目的允许的上限。", "The openings must be between 1 and what this purpose allows."),
}


def faults(
    filing: FilingFacts, role: str, now: datetime, table: Table, classes: Classes, purposes: Purposes, chains: Chains
) -> tuple[Fault, ...]:
    """Every fault of the form for an applicant in this role, in a stable order; empty when it may be filed."""
    purpose = purposes.allowed(filing.purpose, "request", role)
    found: list[Fault] = []
    if purpose is None:
        found.append(_fault("purpose", "purpose-not-allowed", codes=", ".join(purposes.codes("request", role))))
    found.extend(_of_terms(filing, purpose, now))
    found.extend(_of_cases(filing, chains))
    if filing.asked.level is Level.WITHHELD:
        found.append(_fault("level", "level-not-askable"))
    else:
        found.extend(_of_fields(filing, role, table, classes))
    return tuple(dict.fromkeys(found))


def _of_terms(filing: FilingFacts, purpose: Purpose | None, now: datetime) -> Iterable[Fault]:
    asked = filing.asked
    start = max(asked.not_before, now)
    if asked.expires_at <= start:
        yield _fault("expires_at", "end-before-start")
    elif purpose is not None and (
        asked.expires_at - start > timedelta(days=purpose.max_days) or start - now > timedelta(days=purpose.max_days)
    ):
        yield _fault("expires_at", "too-long")
    if asked.max_uses < 1 or (purpose is not None and asked.max_uses > purpose.max_openings):
        yield _fault("max_uses", "openings-out-of-range")


def _of_cases(filing: FilingFacts, chains: Chains) -> Iterable[Fault]:
    if not filing.asked.targets or not filing.cases:
        yield _fault("cases", "nothing-asked")
    if len(filing.cases) > chains.most_cases:
        yield _fault("cases", "too-many-cases")
    if filing.asked.cases != {(facts.case_id, facts.version) for facts in filing.cases}:
        yield _fault("cases", "case-not-asked")
    if any(facts.corrected for facts in filing.cases):
        yield _fault("cases", "case-corrected")


def _of_fields(filing: FilingFacts, role: str, table: Table, classes: Classes) -> Iterable[Fault]:
    # A path is named by its place alone: one that was made up may be a value in the wrong place.
    places = {path: index for index, path in reversed(list(enumerate(filing.fields)))}
    for facts in sorted(filing.cases, key=lambda one: (one.case_id, one.version)):
        paths = {one.path for one in filing.asked.targets if (one.case_id, one.version) == (facts.case_id, facts.version)}
        in_order = sorted(paths, key=places.__getitem__)
        for path in in_order:
            if not _askable(path, filing.asked.level, facts, role, table):
                yield _fault(f"fields[{places[path]}]", "field-not-askable")
        for rule in classes.beside:
            clear = filing.asked.level is Level.CLEAR and rule.needs_clear in paths
            if not clear:
                covered = (path for path in in_order if rule.covers(path))
                yield from (_fault(f"fields[{places[path]}]", "birth-date-needs-id-number") for path in covered)


def _askable(path: str, level: Level, facts: CaseFacts, role: str, table: Table) -> bool:
    # A grant that would show less than it says, or nothing more than anybody sees, is not worth a signature.
    base, reached = table.lifted(role, facts.protection, facts.sensitivity, path, level)
    return base < reached == level


def _fault(path: str, rule: str, **told: str) -> Fault:
    zh, en = _WORDS[rule]
    return Fault(path=path, rule=rule, zh=zh.format_map(told), en=en.format_map(told))
