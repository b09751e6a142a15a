"""How questions, proofs and appending grow with the log: from 10,000 to 10,000,000 entries, at each power of ten.

`python -m bench.growth --folder F` grows one SQLite log in F and puts its table into docs/performance.md; run again it goes on where it was
stopped (an hour and some 15 GB for ten million; `--until 1000000` for less). A question is asked below the archive's doors: what the trail
does to find a page of 50, without the judgement of who asks.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

from audit.anchor import Anchors
from audit.events import Actor, Event
from audit.proofs import Proofs
from audit.publishing import Publishing
from audit.sequencing import Sequencer
from audit.store import head_of
from audit.trail import Question, ask
from bench import report
from foundation.clock import MovableClock
from foundation.database import Database
from foundation.uow import Ticket
from service.migrations import run as migrations
from vault.signer import LogSigner

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- growth:begin -->", "<!-- growth:end -->"
FONDS = "BENCH"
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
STEP = timedelta(seconds=3)
PEOPLE, UNITS, BATCH, TIMES = 2000, 200, 500, 40
_PURPOSES = ("review", "rehandling", "inspection", "statistics")


def _id(kind: int, number: int) -> str:
    """An id that depends on its number alone."""
    return str(UUID(int=(0x019D << 112) | (7 << 76) | (2 << 62) | (kind << 48) | number))


def entry(index: int) -> Event:
    """The entry at a place: views of ten cases in a hundred entries, lists of twenty, openings under grants, refusals, sign-ins."""
    chance = random.Random(index)
    person = min(chance.randrange(PEOPLE), chance.randrange(PEOPLE))  # some act more than others
    actor = Actor(_id(1, person), _id(2, person), _id(3, person), f"u-{person % UNITS}", "handler", 2, _id(4, index // 50), "intranet")
    draw, case, time_ = chance.random(), _id(5, chance.randrange(max(1, index // 10 + 1))), BEGAN + index * STEP
    about = {"kind": "case", "id": case, "version": 1}
    request_id = _id(6, index)
    if draw < 0.6:
        return Event("case.viewed", actor, time_, object=about, verdict="permit", reason="scope", request_id=request_id)
    if draw < 0.62:
        cases = tuple(sorted({_id(5, chance.randrange(index // 10 + 1)) for _ in range(20)}))
        return Event("case.searched", actor, time_, cases=cases, verdict="permit", request_id=request_id, data={"shown": len(cases)})
    if draw < 0.7:
        grant, purpose = _id(7, chance.randrange(index // 100 + 1)), chance.choice(_PURPOSES)
        fields = ("petitioners[].name", "content")
        return Event("access.intent", actor, time_, about, fields, purpose=purpose, grant=grant, verdict="permit", request_id=request_id)
    if draw < 0.75:
        return Event("access.refused", actor, time_, about, verdict="refuse", reason="scope", request_id=request_id)
    if draw < 0.7502:
        return Event(
            "grant.revoked", actor, time_, {"kind": "grant", "id": _id(7, chance.randrange(index // 100 + 1))}, request_id=request_id
        )
    return Event("session.opened", actor, time_, {"kind": "session", "id": _id(4, index // 50)}, request_id=request_id)


@dataclass(frozen=True)
class Asked:
    """A question by name, made anew for each time it is asked."""

    name: str
    make: Callable[[random.Random, int], tuple[Question, int | None]]


def _at(index: int) -> datetime:
    return BEGAN + index * STEP


def questions() -> list[Asked]:
    """What an inspector asks; the second value is the cursor."""

    def whole(make: Callable[[random.Random, int], dict[str, Any]]) -> Callable[[random.Random, int], tuple[Question, int | None]]:
        return lambda chance, size: (Question(**make(chance, size)), None)

    def person(chance: random.Random) -> str:
        return _id(2, chance.randrange(PEOPLE))

    def day(chance: random.Random, size: int) -> dict[str, datetime]:
        first = chance.randrange(max(1, size - 28_800))
        return {"since": _at(first), "until": _at(first + 28_800)}

    return [
        Asked("a person", whole(lambda chance, _: {"person": person(chance)})),
        Asked("a case", whole(lambda chance, size: {"case": _id(5, chance.randrange(size // 10))})),
        Asked("a unit", whole(lambda chance, _: {"unit": f"u-{chance.randrange(UNITS)}"})),
        Asked("a rare action", whole(lambda _c, _s: {"kinds": ("grant.revoked",)})),
        Asked("a purpose", whole(lambda chance, _: {"purpose": chance.choice(_PURPOSES)})),
        Asked("a grant", whole(lambda chance, size: {"grant": _id(7, chance.randrange(size // 100))})),
        Asked("refusals", whole(lambda _c, _s: {"verdict": "refuse"})),
        Asked("a day of the past", whole(day)),
        Asked("a person, a rare action", whole(lambda chance, _: {"person": person(chance), "kinds": ("grant.revoked",)})),
        Asked("a person, a day", whole(lambda chance, size: {"person": person(chance)} | day(chance, size))),
        Asked("a person, a case", whole(lambda chance, size: {"person": person(chance), "case": _id(5, chance.randrange(size // 10))})),
        Asked(
            "a unit, a purpose, refused", whole(lambda c, _: {"unit": f"u-{c.randrange(UNITS)}", "purpose": "review", "verdict": "refuse"})
        ),
        Asked("a unit, a purpose, a day", whole(lambda c, s: {"unit": f"u-{c.randrange(UNITS)}", "purpose": "review"} | day(c, s))),
        Asked("an action of many, a day", whole(lambda c, s: {"kinds": ("case.viewed", "case.searched", "access.intent")} | day(c, s))),
        Asked("refusals of a person, a day", whole(lambda c, s: {"person": person(c), "verdict": "refuse"} | day(c, s))),
        Asked("a person, from the middle on", lambda chance, size: (Question(person=person(chance)), size // 2)),
    ]


def grow(db: Database, until: int, say: Callable[[str], None]) -> None:
    """Append until the log has that many entries, `BATCH` to a commit."""
    sequencer = Sequencer()
    with db.read() as conn:
        head = head_of(conn, FONDS)
    size = head.size if head is not None else 0
    begun, first = time.monotonic(), size
    while size < until:
        count = min(BATCH, until - size)
        with db.write() as conn:
            sequencer(conn, FONDS, [Ticket(entry(index)) for index in range(size, size + count)])
        size += count
        if size % 100_000 < BATCH:
            say(f"{size:,} of {until:,} entries, {(size - first) / (time.monotonic() - begun):,.0f} a second")


def measure(db: Database, publishing: Publishing, size: int) -> dict[str, float]:
    """Median seconds of each question, proof and append at this size. What is appended stays."""
    publishing.publish(FONDS)
    chance = random.Random(size)
    found: dict[str, float] = {}
    for asked in questions():
        took = []
        for _ in range(TIMES):
            question, cursor = asked.make(chance, size)
            begun = time.perf_counter()
            ask(db, FONDS, question, cursor=cursor)
            took.append(time.perf_counter() - begun)
        found[asked.name] = median(took)
        found[f"{asked.name} (worst)"] = max(took)
    proofs = Proofs(db)
    found["proof of inclusion"] = _median(lambda: proofs.inclusion(FONDS, chance.randrange(size)))
    found["proof of consistency"] = _median(lambda: proofs.consistency(FONDS, chance.randrange(1, size)))
    return found


def _median(act: Callable[[], object]) -> float:
    took = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        act()
        took.append(time.perf_counter() - begun)
    return median(took)


def appending(db: Database, first: int) -> Iterator[float]:
    """Seconds of each of some commits of one entry."""
    sequencer = Sequencer()
    for index in range(first, first + TIMES):
        begun = time.perf_counter()
        with db.write() as conn:
            sequencer(conn, FONDS, [Ticket(entry(index))])
        yield time.perf_counter() - begun


def render(found: dict[str, dict[str, float]]) -> str:
    """Markdown: a row for each thing measured, a column for each size."""
    sizes = sorted(found, key=int)
    lines = [f"| median (slowest of {TIMES}) | " + " | ".join(f"{int(size):,}" for size in sizes) + " |", "|---|" + "---:|" * len(sizes)]
    for name in found[sizes[-1]]:
        if name.endswith("(worst)"):
            continue
        cells = []
        for size in sizes:
            worst = found[size].get(f"{name} (worst)")
            cells.append(_ms(found[size][name]) + (f" ({_ms(worst)})" if worst is not None else ""))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:,.2f} ms" if seconds < 0.1 else f"{seconds * 1e3:,.0f} ms"


def main() -> None:
    """Grow, measure at each power of ten, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where the log grows; what is there goes on growing")
    parser.add_argument("--until", type=int, default=10_000_000, help="the last size (default 10,000,000)")
    parser.add_argument("--print", action="store_true", help="print the table and leave docs/performance.md alone")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    db = Database(f"sqlite:///{options.folder / 'archive.db'}")
    migrations.upgrade(db)
    signer = LogSigner(f"bench.example/{FONDS}", bytes(32))  # signs nothing that leaves this folder
    publishing = Publishing(db, lambda _fonds, _epoch: signer, Anchors(options.folder / "anchors"), MovableClock(BEGAN))
    measured = options.folder / "measured.json"
    found: dict[str, dict[str, float]] = json.loads(measured.read_text()) if measured.exists() else {}

    def say(text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)

    for size in (10_000, 100_000, 1_000_000, 10_000_000):
        if size > options.until:
            break
        grow(db, size, say)
        if str(size) not in found:
            found[str(size)] = measure(db, publishing, size) | {"one entry, one commit": median(appending(db, size))}
            measured.write_text(json.dumps(found))
            say(f"measured at {size:,}")
    table = f"{report.machine('sqlite')}.\n\n{render(found)}"
    print(table)
    if not options.print:
        report.write(DOCUMENT, table, BEGIN, END)


if __name__ == "__main__":
    main()
