"""The three administrators (三员) of a fonds: no act leaves one of the three offices without anybody who can act in it.

Each watches the others. Whoever could block the only security administrator or the only auditor would be alone from then on, and nobody
would be left to undo it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import and_, select

from auth.tables import accounts, post_holdings, posts
from auth.units import in_force
from foundation.clock import to_ms
from foundation.uow import Unit
from office.errors import LastAdministrator

ADMINISTRATORS = ("sysadmin", "secadmin", "auditadmin")


@contextmanager
def keeping_administrators(unit: Unit, *, at: datetime) -> Iterator[None]:
    """Around an act that may take somebody out of office; LastAdministrator when nobody is left in one that had somebody before.

    Who counts holds the post now and without an end, with an account that can be used: a stand-in for a week is no successor.
    """
    # Two acts at once could each leave the other's somebody: the posts' rows make them wait for each other.
    offices = select(posts.c.post_id).where(posts.c.fonds == unit.fonds, posts.c.role.in_(ADMINISTRATORS))
    unit.conn.execute(offices.order_by(posts.c.post_id).with_for_update()).all()
    before = _manned(unit, at)
    yield
    left = _manned(unit, at)
    for role in ADMINISTRATORS:
        if role in before and role not in left:
            raise LastAdministrator(role=role)


def _manned(unit: Unit, at: datetime) -> frozenset[str]:
    query = (
        select(posts.c.role)
        .join(post_holdings, and_(post_holdings.c.fonds == posts.c.fonds, post_holdings.c.post_id == posts.c.post_id))
        .join(accounts, and_(accounts.c.fonds == post_holdings.c.fonds, accounts.c.person_id == post_holdings.c.person_id))
        .where(
            posts.c.fonds == unit.fonds,
            posts.c.role.in_(ADMINISTRATORS),
            in_force(posts, at),
            post_holdings.c.from_ms <= to_ms(at),
            post_holdings.c.to_ms.is_(None),
            accounts.c.state == "active",
        )
        .distinct()
    )
    return frozenset(unit.conn.execute(query).scalars())
