"""Who is asking: an immutable value made once per request from a session, and handed down to every rule and act."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal


@dataclass(frozen=True, slots=True)
class PostHeld:
    """A post the person holds at this moment. `unit_path` runs from the root unit's code to the post's own unit's code."""

    post_id: str
    unit_id: str
    unit_path: tuple[str, ...]
    role: str
    acting: bool = False


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated actor inside one fonds. `role` is the role acted in; `assurance` is 1 (one factor) or 2 (two factors).

    `client` is the class of the network the request came from, never an address. A machine has `person_id` None, no posts and
    the one role `depositor`.
    """

    fonds: str
    account_id: str
    person_id: str | None
    kind: Literal["person", "service"]
    posts: tuple[PostHeld, ...]
    role: str
    assurance: int
    session_id: str
    client: str
    authenticated_at: datetime

    @property
    def roles(self) -> frozenset[str]:
        """All roles held now: those of the posts, or the machine's one."""
        return frozenset(post.role for post in self.posts) if self.kind == "person" else frozenset({self.role})

    def posts_of(self, role: str) -> tuple[PostHeld, ...]:
        """The posts held now that carry `role`."""
        return tuple(post for post in self.posts if post.role == role)
