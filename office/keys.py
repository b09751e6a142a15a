"""Rotating a fonds' keys while the archive runs: a new generation for new work, and what the old one wraps wrapped anew.

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
from foundation.errors import Fault, InvalidInput
from foundation.uow import Unit
from vault.rotation import rotate_keks

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
