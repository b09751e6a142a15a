"""What a fault is put into: a log takes some entries, is signed and exported, in a process of its own that strace may disturb.

    python fault_act.py FOLDER COUNT

Prints the id of each entry once it is durable, `signed`, `exported`. Exit status 3: something refused, and nothing was claimed after it.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

from audit.anchor import Anchors  # noqa: E402  the path is set above
from audit.events import Actor, Event  # noqa: E402
from audit.export import export  # noqa: E402
from audit.publishing import Publishing  # noqa: E402
from audit.sequencing import Sequencer  # noqa: E402
from foundation.clock import SystemClock  # noqa: E402
from foundation.database import Database  # noqa: E402
from foundation.ids import new_id  # noqa: E402
from foundation.uow import UnitOfWork  # noqa: E402
from vault.signer import LogSigner  # noqa: E402

FONDS = "FAULT"
SIGNER = LogSigner(f"fault.example/{FONDS}", bytes(32))


def open_log(folder: Path) -> tuple[Database, UnitOfWork, Publishing]:
    """The log in `folder` and who appends to it and signs it."""
    db = Database(f"sqlite:///{folder / 'archive.db'}", pool_size=4)
    return db, UnitOfWork(db, Sequencer()), Publishing(db, lambda _fonds, _epoch: SIGNER, Anchors(folder / "anchors"), SystemClock())


def append(uow: UnitOfWork) -> str:
    """One entry, durable when this returns; its id."""
    event = Event("log.exported", Actor(), datetime.now(UTC), object={"kind": "log", "id": FONDS})
    return uow.run(FONDS, lambda unit: unit.add(event)).entry_id


def main() -> int:
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    db, uow, publishing = open_log(folder)
    new_id()
    os.getpriority(os.PRIO_PROCESS, 0)  # from here on faults are counted
    try:
        for _ in range(count):
            print(append(uow), flush=True)
        publishing.publish(FONDS)
        print("signed", flush=True)
        export(db, FONDS, folder / "export")
        print("exported", flush=True)
    except Exception as error:  # noqa: BLE001  a refusal is an answer; what it left is looked at by the caller
        print(f"refused {type(error).__name__}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
