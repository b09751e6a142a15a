"""Every act that takes an Idempotency-Key, made ready to be done: by its own caller, with other content, and by somebody else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from access_forms import form, granted
from archive.intake import deposit
from archive.receipts import Receipt
from archive.requests.approvals import Trim, decide_request
from archive.requests.filing import file, withdraw
from archive.requests.grants import give_back, revoke
from archive.versions import correct, supplement
from case_world import World

REASON = "复查需核对，事由金丝雀KANARI"
RATING = {"target": "petition_office", "satisfaction": "satisfied", "rated_at": "2024-03-01T09:00:00+08:00"}


@dataclass(frozen=True)
class Act:
    """One act that can be done under a key: `do(key)` does it, `other(key)` asks for something else; `kind` is the entry it leaves."""

    do: Callable[[str | None], Any]
    other: Callable[[str | None], Any]
    stranger: Callable[[str | None], Any]
    kind: str
    repeated: str = "request.repeated"


def act_named(world: World, name: str) -> Act:
    """The act, made ready to be done."""
    case_id = deposit(world.desk, world.system, world.record()).case_id
    desk, system, me, leader = world.desk, world.system, world.caller("S-1"), world.caller("S-2")

    def later(key: str | None, reason: str, who: Any = system) -> Receipt:
        if name == "supplement":
            return supplement(desk, who, case_id, base_version=1, part={"feedback": [RATING]}, reason=reason, idempotency_key=key)
        corrected = world.record(title="更正后的标题")
        return correct(desk, who, case_id, base_version=1, record=corrected, reason=reason, idempotency_key=key)

    if name in {"supplement", "correct"}:
        kind = "case.supplemented" if name == "supplement" else "case.corrected"
        stranger = world.caller("S-7")
        return Act(
            lambda k: later(k, REASON), lambda k: later(k, "另一理由"), lambda k: later(k, REASON, stranger), kind, "deposit.repeated"
        )
    asked = form(world, case_id, reason=REASON)
    if name == "file":
        other = replace(asked, max_uses=1)
        return Act(
            lambda k: file(desk, me, asked, idempotency_key=k),
            lambda k: file(desk, me, other, idempotency_key=k),
            lambda k: file(desk, world.caller("S-3"), asked, idempotency_key=k),
            "request.filed",
        )
    if name in {"return", "revoke"}:
        grant_id = granted(world, case_id)
        if name == "return":
            another = granted(world, deposit(desk, system, world.record(case_no="XF-2")).case_id)
            return Act(
                lambda k: give_back(desk, me, grant_id, idempotency_key=k),
                lambda k: give_back(desk, me, another, idempotency_key=k),
                lambda k: give_back(desk, leader, grant_id, idempotency_key=k),
                "grant.returned",
            )
        return Act(
            lambda k: revoke(desk, leader, grant_id, REASON, idempotency_key=k),
            lambda k: revoke(desk, leader, grant_id, "另一理由", idempotency_key=k),
            lambda k: revoke(desk, world.caller("S-3"), grant_id, REASON, idempotency_key=k),
            "grant.revoked",
        )
    request_id = file(desk, me, asked).request_id
    if name == "withdraw":
        return Act(
            lambda k: withdraw(desk, me, request_id, 1, idempotency_key=k),
            lambda k: withdraw(desk, me, request_id, 2, idempotency_key=k),
            lambda k: withdraw(desk, leader, request_id, 1, idempotency_key=k),
            "request.withdrawn",
        )

    def decide(key: str | None, who: Any = leader, reason: str = REASON) -> Any:
        verdict: Any = "refuse" if name == "refuse" else "approve"
        trim = Trim(max_uses=1) if name == "trim" else None
        return decide_request(desk, who, request_id, verdict=verdict, reason=reason, if_match=at, trim=trim, idempotency_key=key)

    at, kind = 1, {"refuse": "request.refused", "trim": "request.trimmed-approved"}.get(name, "request.approved")
    second = world.caller("S-3")
    if name == "last approval":
        at = decide_request(desk, leader, request_id, verdict="approve", reason="", if_match=1).version
        return Act(lambda k: decide(k, second), lambda k: decide(k, second, "另一理由"), decide, "grant.made")
    return Act(decide, lambda k: decide(k, leader, "另一理由"), lambda k: decide(k, second), kind)


ACTS = ["supplement", "correct", "file", "withdraw", "approve", "trim", "refuse", "last approval", "return", "revoke"]
