"""Those who answer for the walls, the rulebook's wall body: whoever may resolve an accusation. No record may close its case to all of them.

A record that accuses the office itself, or everybody of the body, would be seen by nobody here and handled by the accused: by art. 30 of
《信访工作条例》 it belongs to the superior body or to discipline inspection, and is refused rather than lost in this fonds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection

from acts.desk import Desk
from archive.office_facts import office_facts
from archive.preparing import Resolved
from archive.walls import tags_of
from foundation.errors import Fault
from policies.facts import unit_codes

_ACTION: Final = "wall.resolve"
NOBODY_LEFT: Final = Fault(
    "involved_parties",
    "nobody-left",
    "被检举控告的是本机构或其全部负责人，案卷在本全宗内将无人可知；应归入上级机关或纪检监察机关的全宗。",
    "The accused are this office or all who answer for it, so nobody here could know of the case: it belongs to the fonds of the superior"
    " body or of discipline inspection.",
)


def leave_nobody(conn: Connection, desk: Desk, fonds: str, every: Sequence[Resolved]) -> list[bool]:
    """For each record, as the register resolves it, whether all of the wall body are among its accused or members of them.

    Only what the record itself says counts, never what an earlier version said: the answer goes to whoever deposits.
    """
    if not any(one.wall_tags for one in every):
        return [False] * len(every)
    matrix = desk.rulebook(fonds).matrix
    body = [
        frozenset(tags_of(desk.keys, fonds, person.person_id, unit_codes(person.posts)))
        for person in office_facts(conn, fonds, desk.clock.now()).people
        if person.active and any(matrix.right(post.role, _ACTION) != "no" for post in person.posts)
    ]
    # Where the office has no such body yet, nothing can be closed to it.
    return [bool(body) and all(not tags.isdisjoint(one.wall_tags) for tags in body) for one in every]
