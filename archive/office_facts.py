"""The people who might approve, as the register has them at a moment: read for the rules, never shown."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, and_, or_, select

from auth.principal import PostHeld
from auth.tables import accounts, post_holdings, posts
from auth.units import paths
from foundation.clock import to_ms
from policies.facts import OfficeFacts, PersonFacts


def office_facts(conn: Connection, fonds: str, now: datetime) -> OfficeFacts:
    """Everybody of the fonds who holds a post now, with the posts and whether their account is active."""
    at = to_ms(now)
    rows = conn.execute(
        select(
            post_holdings.c.person_id,
            post_holdings.c.acting,
            posts.c.post_id,
            posts.c.unit_id,
            posts.c.role,
            accounts.c.state,
        )
        .join(posts, and_(posts.c.fonds == post_holdings.c.fonds, posts.c.post_id == post_holdings.c.post_id))
        .join(
            accounts,
            and_(
                accounts.c.fonds == post_holdings.c.fonds, accounts.c.person_id == post_holdings.c.person_id, accounts.c.state != "closed"
            ),
        )
        .where(
            post_holdings.c.fonds == fonds,
            post_holdings.c.from_ms <= at,
            or_(post_holdings.c.to_ms.is_(None), post_holdings.c.to_ms > at),
            posts.c.valid_from_ms <= at,
            or_(posts.c.valid_to_ms.is_(None), posts.c.valid_to_ms > at),
        )
        .order_by(post_holdings.c.person_id, post_holdings.c.from_ms)
    ).all()
    ways = paths(conn, fonds, {row.unit_id for row in rows})
    held: dict[str, list[PostHeld]] = {}
    active: dict[str, bool] = {}
    for row in rows:
        held.setdefault(row.person_id, []).append(PostHeld(row.post_id, row.unit_id, ways[row.unit_id], row.role, bool(row.acting)))
        active[row.person_id] = row.state == "active"
    return OfficeFacts(
        fonds=fonds,
        people=tuple(
            PersonFacts(person_id=person_id, fonds=fonds, kind="person", posts=tuple(every), active=active[person_id])
            for person_id, every in held.items()
        ),
    )
