"""The closed register of actions: what each is decided on. Wording and rights are data (matrix.toml); meaning is code."""

from __future__ import annotations

from collections.abc import Mapping

ACTIONS: Mapping[str, str] = {
    "case.view": "case",
    "case.list": "case",
    "case.search": "case",
    "case.search_text": "case",
    "case.search_identity": "case",
    "case.open": "case",
    "case.export": "case",
    "wall.resolve": "case",
    "protection.lower": "case",
    "request.file": "filing",
    "request.view": "request",
    "request.list": "request",
    "request.withdraw": "request",
    "request.decide": "request",
    "grant.view": "holding",
    "grant.list": "holding",
    "grant.return": "holding",
    "grant.revoke": "holding",
    "deposit.create": "fonds",
    "deposit.supplement": "fonds",
    "deposit.correct": "fonds",
    "deposit.import": "fonds",
    "receipt.fetch": "fonds",
    "audit.query": "fonds",
    "audit.export": "fonds",
    "audit.prove": "fonds",
    "office.read": "fonds",
    "office.unit_create": "fonds",
    "office.unit_rename": "fonds",
    "office.unit_move": "fonds",
    "office.unit_end": "fonds",
    "office.post_create": "fonds",
    "office.post_end": "fonds",
    "office.person_register": "fonds",
    "office.person_leave": "fonds",
    "office.account_create": "fonds",
    "office.account_block": "fonds",
    "office.account_unblock": "fonds",
    "office.post_hold": "fonds",
    "office.post_leave": "fonds",
    "office.secret_reset": "fonds",
    "office.factor_reset": "fonds",
    "office.session_list": "fonds",
    "office.session_revoke": "fonds",
    "office.client_register": "fonds",
    "office.client_revoke": "fonds",
    "office.rulebook_activate": "fonds",
    "key.generate": "fonds",
    "key.rotate": "fonds",
}

# What a rulebook may already give and no door asks for yet: a right to it is of no use to anybody, and the printed matrix says so.
NOT_BUILT = frozenset({"case.search_text", "case.export", "wall.resolve", "protection.lower", "office.rulebook_activate", "key.generate"})

# Lists, searches, facets and counts: decided once for the fonds (giving a ScopeFilter) and lawful for a single case too.
FINDING = frozenset({"case.list", "case.search", "case.search_text", "case.search_identity"})

# Lists of requests and grants: permitted once for the fonds; each row shown is then decided by its `.view` action.
LISTING: Mapping[str, str] = {"request.list": "request.view", "grant.list": "grant.view"}

# Opening fields in clear: these look at grants.
OPENING = frozenset({"case.open", "case.export"})

# Acts of a case system that tell it nothing: the wall, which hides, has nothing to hide from them.
BLIND = frozenset({"deposit.create", "deposit.supplement", "deposit.correct", "receipt.fetch"})

# Which cells a right may have, by what the action is decided on.
RIGHTS: Mapping[str, tuple[str, ...]] = {
    "case": ("no", "scope", "scope-normal"),
    "filing": ("no", "scope"),
    "request": ("no", "own", "approver"),
    "holding": ("no", "own", "approver", "scope", "fonds"),
    "fonds": ("no", "fonds"),
}

# What a machine, an external supervisor and an administrator may be given at the most, whatever a rulebook says.
CEILING: Mapping[str, frozenset[str]] = {
    "machine": BLIND,
    "external": frozenset({"case.view", "case.list", "case.search", "audit.prove"}),
    "admin": frozenset(
        {
            action
            for action, about in ACTIONS.items()
            if (about == "fonds" and not action.startswith(("deposit.", "receipt."))) or action == "grant.revoke"
        }
    ),
    "business": frozenset(ACTIONS),
}
