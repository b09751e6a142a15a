"""Access forms over `case_world`: what a handler asks for, and the grant when leader and principal have approved it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from archive.requests.approvals import decide_request
from archive.requests.filing import Form, file
from case_world import World
from policies.level import Level


def form(world: World, *case_ids: str, **changes: Any) -> Form:
    """Names and contents of these cases in clear, twice, for three days; or as `changes` say."""
    values: dict[str, Any] = {
        "cases": case_ids,
        "fields": ("petitioners[].name", "content"),
        "level": Level.CLEAR,
        "purpose": "review",
        "reason": "办理复查",
        "usage": "read-only",
        "max_uses": 2,
        "not_before": None,
        "expires_at": world.clock.now() + timedelta(days=3),
    }
    return Form(**(values | changes))


def granted(world: World, *case_ids: str, comment: str = "", **changes: Any) -> str:
    """File as the handler, approve as leader and principal; the grant's id."""
    filed = file(world.desk, world.caller("S-1"), form(world, *case_ids, **changes))
    first = decide_request(world.desk, world.caller("S-2"), filed.request_id, verdict="approve", reason=comment, if_match=1)
    second = decide_request(world.desk, world.caller("S-3"), filed.request_id, verdict="approve", reason=comment, if_match=first.version)
    assert second.grant_id is not None
    return second.grant_id
