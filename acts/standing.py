"""Whether a caller still is who they were when the request began: asked again inside the transaction that acts."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, bindparam, select

from auth.posts import posts_held
from auth.principal import Principal
from auth.tables import sessions
from foundation.clock import to_ms

_LIVE = select(sessions.c.session_id).where(
    sessions.c.fonds == bindparam("of"),
    sessions.c.session_id == bindparam("id"),
    sessions.c.revoked_ms.is_(None),
    sessions.c.expires_ms > bindparam("at"),
)


def stands(conn: Connection, principal: Principal, now: datetime) -> bool:
    """The session neither revoked nor expired, and the person's posts the same as when the principal was made."""
    live = conn.execute(_LIVE, {"of": principal.fonds, "id": principal.session_id, "at": to_ms(now)}).one_or_none()
    if live is None:
        return False
    return principal.person_id is None or posts_held(conn, principal.fonds, principal.person_id, at=now) == principal.posts
