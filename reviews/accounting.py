"""Accounting for a subject (清点): every entry of the log about it, proven to be all there are (docs/formats/log-index.md).

It is for those alone who may export the log. That nothing is missing is proven by telling of everything, and some entries are hidden from
others who know the case: those of a form that names a case behind a wall, and of what was done under it. An answer that left them out would
be no proof; one that had them would tell; one that was refused for their sake would tell as well. So no other role is given any, and it is
the auditor who hands an answer on.
"""

from __future__ import annotations

from acts.deciding import permit_in_fonds
from acts.desk import Caller, Desk
from audit.index_answers import Answer, Asked, answer
from audit.indexing import Indexing

# A commitment this old still answers a question: so many questions make no more commitments than one in that time.
FRESH_SECONDS = 10.0


def account_for(desk: Desk, indexing: Indexing, caller: Caller, asked: Asked) -> Answer:
    """The answer with its proofs, as of a few seconds ago, on record before it leaves. `Refused`, NotYetPublished, AnswerTooLarge.

    What nobody has ever heard of is proven to be in no entry, by the same work and on the same record.
    """
    allowed = permit_in_fonds(desk, caller, "audit.export")
    indexing.refresh(caller.fonds, FRESH_SECONDS)
    with desk.db.read() as conn:
        found = answer(conn, caller.fonds, asked)
    question = {"kind": asked.kind, "id": asked.subject, "bodies": asked.bodies, "since": asked.since}
    event = caller.event(
        desk,
        "log.queried",
        object={"kind": "log", "id": caller.fonds},
        verdict="permit",
        reason=allowed.rule,
        data={"query": caller.query_digest(desk, question), "size": found.size, "shown": found.entries},
    )
    desk.uow.run(caller.fonds, lambda unit: unit.add(event))
    return found
