"""What a decision is made from: frozen values the callers fill from the database, with nothing opened and nothing guessed.

Persons are register ids, units are codes of the fonds' register, times are aware UTC datetimes. A field that guards something has no
default: who builds the value must say it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from auth.principal import PostHeld, Principal
from policies.level import Level

Protection = Literal["normal", "high"]
Status = Literal["pending", "approved", "refused", "withdrawn", "lapsed"]
Verdict = Literal["approve", "refuse"]

NOBODY: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class WallFacts:
    """The accused of a case (《信访工作条例》 art. 30).

    `accused_unit_codes` are plain codes of the fonds' register: the store keeps keyed tags, and tags the persons and units it is asked
    about to compare. An accused whom the register did not know leaves `resolved` False. While unresolved, only
    `named_persons` may know of the case; an accused person is outside even when named.

    `known_of`: the persons, with their units, of whom the first two say whether they are accused; None: of everybody. Anybody else stands
    outside. Asking for few keeps the work the same whether there is a wall or none.
    """

    accused_person_ids: frozenset[str]
    accused_unit_codes: frozenset[str]
    resolved: bool
    named_persons: frozenset[str] = NOBODY
    known_of: frozenset[str] | None = None

    @property
    def closed(self) -> bool:
        """Open to named persons only: unresolved, or resolved to nobody at all. This is what a store keeps for its searches."""
        return not self.resolved or (self.known_of is None and not (self.accused_person_ids or self.accused_unit_codes))

    def says_of(self, person_id: str) -> bool:
        """Whether it was asked of this person at all."""
        return self.known_of is None or person_id in self.known_of


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFacts:
    """One version of one case, as far as rules need it.

    `unit_path` runs from the root unit's code to `keeping_unit`. `sensitivity` is the record's `sensitivity_level`. `corrected` says that
    a later version corrects this one, so that grants for it are dead (a supplement leaves it False). `conflicted_ids` are persons with a
    declared conflict of interest (art. 28, 回避). `hold_cap` is the highest level any view may have while a hold on access stands:
    MASKED shuts every clear opening, WITHHELD shuts the case.
    An accusation without `wall` counts as closed with nobody named.
    """

    fonds: str
    case_id: str
    version: int
    handler_id: str | None
    leader_id: str | None
    cooperating_units: frozenset[str]
    keeping_unit: str
    unit_path: tuple[str, ...]
    accusation: bool
    wall: WallFacts | None
    protection: Protection
    anonymous: bool
    sensitivity: str
    corrected: bool
    conflicted_ids: frozenset[str] = NOBODY
    hold_cap: Level = Level.CLEAR


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """One field of one version of one case, all its items: `Target(case_id, 1, "petitioners[].name")`."""

    case_id: str
    version: int
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a form asks for, what an approver leaves of it, and what is granted in the end: one shape, so that they can be compared."""

    targets: frozenset[Target]
    level: Level
    max_uses: int
    not_before: datetime
    expires_at: datetime

    @property
    def cases(self) -> frozenset[tuple[str, int]]:
        """The (case id, version) pairs named."""
        return frozenset((target.case_id, target.version) for target in self.targets)


@dataclass(frozen=True, slots=True)
class Opening:
    """A running session on one case under one grant; already counted, so it may be read again until `ends_at`."""

    case_id: str
    version: int
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantFacts:
    """A grant as stored. Whether it is one at this moment is computed (`grant_state.status`), never stored."""

    grant_id: str
    request_id: str
    fonds: str
    holder_id: str
    role: str
    granted: Asked
    purpose: str
    uses: int
    returned_at: datetime | None
    revoked_at: datetime | None
    approver_ids: frozenset[str]
    openings: tuple[Opening, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One approver's act. `approved` is what this approver leaves (None when refusing); `standing_for` whom a deputy stands for."""

    stage: int
    person_id: str
    account_id: str
    post_id: str
    verdict: Verdict
    at: datetime
    approved: Asked | None
    standing_for: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestState:
    """Where a request stands. `version` grows by one with every transition (the ETag); `current` is what is left after trimming."""

    status: Status
    stage: int
    version: int
    current: Asked
    decisions: tuple[Decision, ...]
    lapses_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFacts:
    """A filed request with the facts of all its cases as they are now.

    `applicant_units` are all codes on the paths of the posts the applicant filed from. `chain` is the chain resolved at filing.
    """

    request_id: str
    fonds: str
    applicant_id: str | None
    applicant_role: str
    applicant_units: frozenset[str]
    filed_at: datetime
    purpose: str
    asked: Asked
    chain: str
    state: RequestState
    cases: tuple[CaseFacts, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonFacts:
    """Somebody who might approve, with all posts held now; `acting_role` narrows which of them count as an approver's.

    `standing_for` is the place of deputies (代批): nobody stands for anybody yet, and a value there makes the person ineligible.
    """

    person_id: str | None
    fonds: str
    kind: Literal["person", "service"]
    posts: tuple[PostHeld, ...]
    active: bool
    acting_role: str | None = None
    standing_for: str | None = None

    @classmethod
    def of(cls, principal: Principal) -> PersonFacts:
        """The principal as an approver, in the role acted in; the wall still looks at all posts."""
        return cls(
            person_id=principal.person_id,
            fonds=principal.fonds,
            kind=principal.kind,
            posts=principal.posts,
            active=True,
            acting_role=principal.role,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficeFacts:
    """The people of one fonds, as the register has them now."""

    fonds: str
    people: tuple[PersonFacts, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FilingFacts:
    """A form about to be filed: every case it names, and the office that would have to agree. `fields`: every path asked for, in the
    order in which they were sent, for the places of faults.
    """

    fonds: str
    asked: Asked
    purpose: str
    cases: tuple[CaseFacts, ...]
    office: OfficeFacts
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldingFacts:
    """A grant together with the facts of its cases: what returning, revoking or looking at it is decided on."""

    grant: GrantFacts
    cases: tuple[CaseFacts, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FondsFacts:
    """An act upon the fonds itself (a deposit, a list, the trail, the office). Identity search must state its `purpose`."""

    fonds: str
    purpose: str | None = None


Facts = CaseFacts | FilingFacts | RequestFacts | HoldingFacts | FondsFacts


def unit_codes(posts: Iterable[PostHeld]) -> frozenset[str]:
    """All codes on the paths of these posts: a member of a section is a member of every unit around it."""
    return frozenset(code for post in posts for code in post.unit_path)
