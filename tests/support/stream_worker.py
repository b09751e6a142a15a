"""A process that appends to a log, publishes it, sends it to a webhook and copies it to a file until it is killed at a named step.

Its order is JSON on the command line: `url`, `folder`, `port`, `at` (the clock), `step`, `nth` (kill at the n-th reach; no step: none),
`grow` (how often to append), `seconds`. It ends by itself when the receiver has everything, or the time is up.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

from foundation import steps
from foundation.clock import MovableClock, parse_iso
from foundation.database import Database
from reviews.copies import range_of
from service.copies.files import copy_chunks, write_copy
from streamed_log import FONDS, StreamedLog, streamed_log, webhook

_lock = threading.Lock()


def trap(step: str, nth: int) -> None:
    """Kill this process at the n-th reach of the step."""
    left = [nth]

    def hook(reached: str) -> None:
        if reached == step:
            with _lock:
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

    steps.install_hook(hook)


def copy_often(log: StreamedLog, path: Path) -> None:
    for _ in range(3):
        write_copy(path, copy_chunks(log.db, "ndjson", range_of(log.db, FONDS, "ndjson")))


def main(order: dict[str, str]) -> None:
    database = Database(order["url"], pool_size=8)
    database.own()
    with streamed_log(database, MovableClock(parse_iso(order["at"])), Path(order["folder"])) as log:
        if order["step"]:
            trap(order["step"], int(order["nth"]))
        with log.sending(webhook(int(order["port"])), interval=0.01):
            for _ in range(int(order["grow"])):
                log.grow(40)
            copy_often(log, Path(order["folder"]) / "copy.ndjson")
            until = time.monotonic() + float(order["seconds"])
            while (log.position("hook") or 0) < len(log.leaves()) and time.monotonic() < until:
                time.sleep(0.02)
                log.publish()
    database.close()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
