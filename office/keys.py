"""Rotating a fonds' keys while the archive runs: a new generation for new work, and what the old one wraps wrapped anew; and locking the
key ring with another secret.

Keys that sign the log are not rotated: every checkpoint ever shown would need its old key to be believed. Fields are not opened: a
case's own keys stay, only their wraps move. The old generation still opens what it sealed until it is destroyed, which is another act.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from acts.deciding import permit_in_fonds
from acts.desk import Caller, Desk
from audit.events import Actor, Event
from foundation.errors import Fault, InvalidInput
from foundation.tables import SYSTEM_FONDS
from foundation.uow import Unit
from vault.rotation import rotate_keks
from vault.unlock import Unlock

# What may be rotated -> the beginnings of its scopes in the key ring.
ROTATED: Mapping[str, tuple[str, ...]] = {
    "wrapping": ("case/", "mask/"),
    "details": ("detail",),
    "digests": ("digest",),
    "blind": ("blind/",),
}
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Rotated:
    """The new generations' ids, and how many wraps were moved under them."""

    key_ids: tuple[str, ...]
    moved: int


def rotate_keys(desk: Desk, caller: Caller, what: str, *, progress: Progress = lambda _done, _total: None) -> Rotated:
    """Give every current key of a kind (a key of ROTATED) its next generation. Refused; InvalidInput for another kind.

    The ring is durable before the entry is. A kill in the middle of moving wraps loses nothing: rotating again goes on, as every wrap
    says which key it is under.
    """
    permit = permit_in_fonds(desk, caller, "key.rotate")
    if what not in ROTATED:
        raise InvalidInput([Fault("what", "unknown", "没有这类可轮换的密钥。", "There is no such kind of key to rotate.")])
    current = [info.scope for info in desk.keys.keys(caller.fonds) if info.state == "current" and info.scope.startswith(ROTATED[what])]
    made = []
    for scope in current:
        key_id = desk.keys.new_generation(caller.fonds, scope, permit.at)
        about = {"kind": "key", "id": key_id}
        event = caller.event(desk, "key.rotated", object=about, verdict="permit", reason=permit.rule)
        desk.uow.run(caller.fonds, partial(Unit.add, event=event))
        made.append(key_id)

    def write(move: Callable[[Connection], int]) -> int:
        return desk.uow.bookkeep(caller.fonds, lambda unit: move(unit.conn))

    moved = rotate_keks(desk.db.read, write, desk.keys, caller.fonds, progress=progress) if what == "wrapping" else 0
    return Rotated(tuple(made), moved)


def relock(desk: Desk, unlock: Unlock) -> None:
    """Lock the key ring with another secret, on record in the installation's own log: after the present one leaked, or its keeper left.

    Done, like founding, by whoever holds the machine and the present secret. No key changes: copies of the ring that were made before
    still open with the old secret. The ring is durable before the entry is; a kill between the two leaves the entry out, and locking
    the ring once more writes one. CredentialUnusable for a secret that cannot be used; then nothing has changed.
    """
    desk.keys.change_unlock(unlock)
    event = Event(
        kind="key.relocked",
        actor=Actor(),
        time=desk.clock.now(),
        object={"kind": "archive", "id": desk.keys.archive_id},
        reason="by-machine-holder",
        policy_version=desk.rulebook(SYSTEM_FONDS).version,
    )
    desk.uow.run(SYSTEM_FONDS, partial(Unit.add, event=event))
