"""Rows of requests, decisions, grants and openings, and the facts the rules decide on. Nothing is decided here."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from archive.facts import case_facts
from archive.requests.tables import access_requests, grants, openings, request_cases, request_decisions
from archive.walls import Whom
from foundation.among import among
from foundation.canonical import canonical
from foundation.clock import from_ms, to_ms
from policies.facts import Asked, CaseFacts, Decision, GrantFacts, Opening, RequestFacts, RequestState, Status, Target
from policies.level import level_of
from vault.keyring import KeyRing


def asked_text(asked: Asked) -> str:
    """Canonical JSON of what is asked for, left or granted."""
    targets: dict[str, dict[str, Any]] = {}
    for target in sorted(asked.targets):
        entry = targets.setdefault(target.case_id, {"version": target.version, "paths": []})
        entry["paths"].append(target.path)
    return canonical(
        {
            "targets": targets,
            "level": asked.level.word,
            "max_uses": asked.max_uses,
            "not_before": to_ms(asked.not_before),
            "expires_at": to_ms(asked.expires_at),
        }
    ).decode()


def asked_of(text: str) -> Asked:
    """Read what `asked_text` wrote."""
    value = json.loads(text)
    level = level_of(value["level"])
    if level is None:
        raise ValueError("a stored form without a level")
    return Asked(
        targets=frozenset(
            Target(case_id, entry["version"], path) for case_id, entry in value["targets"].items() for path in entry["paths"]
        ),
        level=level,
        max_uses=value["max_uses"],
        not_before=from_ms(value["not_before"]),
        expires_at=from_ms(value["expires_at"]),
    )


def insert_request(conn: Connection, fonds: str, row: dict[str, Any], asked: Asked, related: Mapping[str, str | None]) -> None:
    """Store a filed request and the cases it names; `row` has every column but `fonds`, `asked` and `current`.

    `related`: case id -> the applicant's relation to it.
    """
    text = asked_text(asked)
    conn.execute(insert(access_requests), {**row, "fonds": fonds, "asked": text, "current": text})
    conn.execute(
        insert(request_cases),
        [
            {"fonds": fonds, "request_id": row["request_id"], "case_id": case_id, "case_version": version, "relation": related[case_id]}
            for case_id, version in sorted(asked.cases)
        ],
    )


def relations_of(conn: Connection, fonds: str, request_id: str) -> dict[str, str]:
    """How the applicant stood to each case of the form when filing it; a form older than this was kept says nothing."""
    rows = conn.execute(
        select(request_cases.c.case_id, request_cases.c.relation).where(
            request_cases.c.fonds == fonds, request_cases.c.request_id == request_id, request_cases.c.relation.is_not(None)
        )
    )
    return {row.case_id: row.relation for row in rows}


def request_facts(
    conn: Connection, keys: KeyRing, fonds: str, request_ids: Collection[str], whom: Whom, *, lock: bool = False
) -> dict[str, RequestFacts]:
    """The facts of some requests, each with those of its cases as they are now, for judging `whom`. `lock`: hold the rows until the
    transaction ends.
    """
    if not request_ids:
        return {}
    query = select(access_requests).where(access_requests.c.fonds == fonds, access_requests.c.request_id.in_(sorted(request_ids)))
    rows = conn.execute(query.order_by(access_requests.c.request_id).with_for_update() if lock else query).all()
    decided: dict[str, list[Decision]] = {}
    for row in conn.execute(
        select(request_decisions)
        .where(request_decisions.c.fonds == fonds, request_decisions.c.request_id.in_(sorted(request_ids)))
        .order_by(request_decisions.c.request_version)
    ):
        decided.setdefault(row.request_id, []).append(_decision(row))
    asked = {row.request_id: asked_of(row.asked) for row in rows}
    wanted = {(case_id, version) for form in asked.values() for case_id, version in form.cases}
    facts = _facts_of_versions(conn, keys, fonds, wanted, whom)
    return {row.request_id: _request(row, asked[row.request_id], decided.get(row.request_id, []), facts) for row in rows}


def grant_facts(conn: Connection, fonds: str, grant_ids: Collection[str], *, lock: bool = False) -> dict[str, GrantFacts]:
    """The facts of some grants with the openings still worth knowing (all of them: a grant has few)."""
    if not grant_ids:
        return {}
    wanted = {"of": fonds, "ids": sorted(grant_ids)}
    rows = conn.execute(_GRANTS_LOCKED if lock else _GRANTS, wanted).all()
    opened: dict[str, list[Opening]] = {}
    # Asked when the grants are locked, and not with them: what another process opened while this one waited is among them.
    for row in conn.execute(_OPENINGS, wanted):
        opened.setdefault(row.grant_id, []).append(Opening(row.case_id, row.case_version, from_ms(row.ends_ms)))
    approvers = _approvers(conn, fonds, [row.request_id for row in rows])
    return {row.grant_id: _grant(row, opened.get(row.grant_id, ()), approvers.get(row.request_id, ())) for row in rows}


def cases_of_grant(conn: Connection, keys: KeyRing, grant: GrantFacts, whom: Whom) -> tuple[CaseFacts, ...]:
    """The facts of the case versions a grant names, for judging `whom`."""
    facts = _facts_of_versions(conn, keys, grant.fonds, grant.granted.cases, whom)
    return tuple(facts[pair] for pair in sorted(grant.granted.cases) if pair in facts)


def save_state(conn: Connection, fonds: str, request_id: str, before: int, state: RequestState) -> bool:
    """Store a transition by compare-and-set on the version it was made from; False when another was faster."""
    changed = conn.execute(
        update(access_requests)
        .where(access_requests.c.fonds == fonds, access_requests.c.request_id == request_id, access_requests.c.version == before)
        .values(
            status=state.status,
            stage=state.stage,
            version=state.version,
            current=asked_text(state.current),
        )
    )
    return changed.rowcount == 1


def insert_decision(conn: Connection, fonds: str, request_id: str, decision: Decision, version: int, entry_id: str) -> None:
    """Store one approver's act; a second one of the same person on the same request is an IntegrityError."""
    conn.execute(
        insert(request_decisions),
        {
            "fonds": fonds,
            "request_id": request_id,
            "approver_person": decision.person_id,
            "stage": decision.stage,
            "approver_account": decision.account_id,
            "approver_post": decision.post_id,
            "verdict": decision.verdict,
            "approved": asked_text(decision.approved) if decision.approved is not None else None,
            "standing_for": decision.standing_for,
            "request_version": version,
            "decided_ms": to_ms(decision.at),
            "entry_id": entry_id,
        },
    )


@dataclass(frozen=True, slots=True)
class Stood:
    """Where a request stood when one decision had been taken."""

    status: Status
    stage: int
    grant_id: str | None


def stood_after(conn: Connection, fonds: str, request_id: str, entry_id: str) -> Stood:
    """Where the request stood after the decision which this entry records, told from the decisions that came after it."""
    taken = conn.execute(
        select(request_decisions.c.entry_id, request_decisions.c.verdict, request_decisions.c.stage)
        .where(request_decisions.c.fonds == fonds, request_decisions.c.request_id == request_id)
        .order_by(request_decisions.c.request_version)
    ).all()
    place = [row.entry_id for row in taken].index(entry_id)
    if taken[place].verdict == "refuse":
        return Stood("refused", taken[place].stage, None)
    if place + 1 < len(taken):
        return Stood("pending", taken[place + 1].stage, None)
    made = select(grants.c.grant_id).where(grants.c.fonds == fonds, grants.c.request_id == request_id)
    grant_id = conn.execute(made).scalar_one_or_none()
    now_at = select(access_requests.c.stage).where(access_requests.c.fonds == fonds, access_requests.c.request_id == request_id)
    return Stood("approved" if grant_id is not None else "pending", conn.execute(now_at).scalar_one(), grant_id)


def insert_grant(conn: Connection, grant: GrantFacts, entry_id: str) -> None:
    """Store a grant; a second grant of the same request is an IntegrityError."""
    granted = grant.granted
    conn.execute(
        insert(grants),
        {
            "fonds": grant.fonds,
            "grant_id": grant.grant_id,
            "request_id": grant.request_id,
            "holder_person": grant.holder_id,
            "holder_role": grant.role,
            "purpose": grant.purpose,
            "granted": asked_text(granted),
            "max_uses": granted.max_uses,
            "uses": 0,
            "not_before_ms": to_ms(granted.not_before),
            "expires_ms": to_ms(granted.expires_at),
            "returned_ms": None,
            "revoked_ms": None,
            "entry_id": entry_id,
        },
    )


def take_use(conn: Connection, fonds: str, grant_id: str, now: datetime) -> bool:
    """Count one use, if the grant still is one and has one left: the only statement that spends, so it cannot be overspent."""
    return conn.execute(_TAKE_USE, {"of": fonds, "id": grant_id, "at": to_ms(now)}).rowcount == 1


def end_grant(conn: Connection, fonds: str, grant_id: str, how: str, now: datetime) -> bool:
    """Mark a grant `returned` or `revoked`; False when it has been ended before."""
    column = {"returned": grants.c.returned_ms, "revoked": grants.c.revoked_ms}[how]
    ended = conn.execute(
        update(grants)
        .where(grants.c.fonds == fonds, grants.c.grant_id == grant_id, grants.c.returned_ms.is_(None), grants.c.revoked_ms.is_(None))
        .values({column: to_ms(now)})
    )
    return ended.rowcount == 1


def _facts_of_versions(
    conn: Connection, keys: KeyRing, fonds: str, wanted: Iterable[tuple[str, int]], whom: Whom
) -> dict[tuple[str, int], CaseFacts]:
    # A form names one version of a case; forms together may name several, so each version is asked for in its own round.
    rounds: list[dict[str, int | None]] = []
    for case_id, version in sorted(wanted):
        for one in rounds:
            if case_id not in one:
                one[case_id] = version
                break
        else:
            rounds.append({case_id: version})
    found = {}
    for one in rounds:
        for case_id, facts in case_facts(conn, keys, fonds, one, whom).items():
            found[case_id, facts.version] = facts
    return found


def _approvers(conn: Connection, fonds: str, request_ids: Sequence[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for row in conn.execute(_APPROVERS, {"of": fonds, "ids": request_ids}):
        found.setdefault(row.request_id, set()).add(row.approver_person)
    return found


def _decision(row: Row[Any]) -> Decision:
    return Decision(
        stage=row.stage,
        person_id=row.approver_person,
        account_id=row.approver_account,
        post_id=row.approver_post,
        verdict=row.verdict,
        at=from_ms(row.decided_ms),
        approved=asked_of(row.approved) if row.approved is not None else None,
        standing_for=row.standing_for,
    )


def _request(row: Row[Any], asked: Asked, decisions: Sequence[Decision], facts: dict[tuple[str, int], CaseFacts]) -> RequestFacts:
    return RequestFacts(
        request_id=row.request_id,
        fonds=row.fonds,
        applicant_id=row.applicant_person,
        applicant_role=row.applicant_role,
        applicant_units=frozenset(json.loads(row.applicant_units)),
        filed_at=from_ms(row.filed_ms),
        purpose=row.purpose,
        asked=asked,
        chain=row.chain,
        state=RequestState(
            status=row.status,
            stage=row.stage,
            version=row.version,
            current=asked_of(row.current),
            decisions=tuple(decisions),
            lapses_at=from_ms(row.lapses_ms),
        ),
        cases=tuple(facts[pair] for pair in sorted(asked.cases) if pair in facts),
    )


def _grant(row: Row[Any], opened: Iterable[Opening], approvers: Iterable[str]) -> GrantFacts:
    return GrantFacts(
        grant_id=row.grant_id,
        request_id=row.request_id,
        fonds=row.fonds,
        holder_id=row.holder_person,
        role=row.holder_role,
        granted=asked_of(row.granted),
        purpose=row.purpose,
        uses=row.uses,
        returned_at=from_ms(row.returned_ms) if row.returned_ms is not None else None,
        revoked_at=from_ms(row.revoked_ms) if row.revoked_ms is not None else None,
        approver_ids=frozenset(approvers),
        openings=tuple(opened),
    )


# What an opening asks for three times over: built once, for putting a statement together costs SQLAlchemy more than running it.
_GRANTS = select(grants).where(grants.c.fonds == bindparam("of"), among(grants.c.grant_id, "ids")).order_by(grants.c.grant_id)
_GRANTS_LOCKED = _GRANTS.with_for_update()
_OPENINGS = select(openings.c.grant_id, openings.c.case_id, openings.c.case_version, openings.c.ends_ms).where(
    openings.c.fonds == bindparam("of"), among(openings.c.grant_id, "ids")
)
_APPROVERS = select(request_decisions.c.request_id, request_decisions.c.approver_person).where(
    request_decisions.c.fonds == bindparam("of"),
    among(request_decisions.c.request_id, "ids"),
    request_decisions.c.verdict == "approve",
)
_TAKE_USE = (
    update(grants)
    .where(
        grants.c.fonds == bindparam("of"),
        grants.c.grant_id == bindparam("id"),
        grants.c.uses < grants.c.max_uses,
        grants.c.not_before_ms <= bindparam("at"),
        grants.c.expires_ms > bindparam("at"),
        grants.c.returned_ms.is_(None),
        grants.c.revoked_ms.is_(None),
    )
    .values(uses=grants.c.uses + 1)
)
