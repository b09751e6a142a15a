"""What every act works with: the desk it sits at, and the caller it serves."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from audit.events import Actor, Event, SealedDetail
from audit.witnessing import Panel
from auth.principal import Principal
from foundation.canonical import canonical
from foundation.clock import Clock
from foundation.database import Database
from foundation.uow import UnitOfWork
from policies.rulebook.load import Rulebook
from vault.details import Detail
from vault.keyring import KeyRing
from vault.signer import keyed_digest


@dataclass(frozen=True, slots=True)
class Desk:
    """The tools of the acts, put together once by the service's wiring. `rulebook` gives a fonds' active rulebook."""

    db: Database
    uow: UnitOfWork
    clock: Clock
    keys: KeyRing
    rulebook: Callable[[str], Rulebook]
    # Whose cosignatures make a checkpoint a witnessed one; nobody's by default.
    panel: Panel = field(default_factory=Panel)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and the id of the request it is asked in."""

    principal: Principal
    request_id: str

    @property
    def fonds(self) -> str:
        """The fonds the caller belongs to; acts never reach past it."""
        return self.principal.fonds

    @property
    def actor(self) -> Actor:
        """The caller as the log names it: by pseudonymous ids, with the unit and post of the role acted in."""
        principal = self.principal
        held = principal.posts_of(principal.role)
        return Actor(
            account=principal.account_id,
            person=principal.person_id,
            post=held[0].post_id if held else None,
            unit=held[0].unit_path[-1] if held else None,
            role=principal.role,
            assurance=principal.assurance,
            session=principal.session_id,
            client=principal.client,
        )

    def query_digest(self, desk: Desk, asked: Mapping[str, Any]) -> str:
        """The keyed digest of a question, for its entry's `data.query`: whoever holds the fonds' digest key and is told the question can
        confirm it (`vault.signer.digest_matches`, purpose `query`).

        Bound to the account and the request, which the entry names: nobody who asks the same finds it equal, today or ever.
        """
        bound = {"account": self.principal.account_id, "request": self.request_id, "asked": dict(asked)}
        return keyed_digest(desk.keys, self.fonds, "query", canonical(bound)).hex()

    def event(self, desk: Desk, kind: str, **members: Any) -> Event:
        """An event of this caller at this moment under the fonds' rulebook; `members` are those of audit.events.Event."""
        members.setdefault("time", desk.clock.now())
        members.setdefault("policy_version", desk.rulebook(self.fonds).version)
        data = members.get("data", {})
        if members.get("cases") or "shown" in data or (kind == "access.refused" and not members.get("details")):
            # The trail shows some people such entries in part, and hash tiles are public: without a part nobody can guess, a leaf hash
            # would confirm what was left out.
            members["data"] = {**data, "blind": secrets.token_hex(16)}
        return Event(kind=kind, actor=self.actor, request_id=self.request_id, **members)


def log_detail(name: str, detail: Detail) -> SealedDetail:
    """Hand a sealed text to the log: its commitment enters the entry, its sealed form lies beside the log."""
    return SealedDetail(name=name, commitment=detail.commitment, sealed=detail.sealed, key_ref=detail.key_ref)
