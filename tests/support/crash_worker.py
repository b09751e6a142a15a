"""A process that works in an archive until it is killed, and tells through a pipe what it was told was done.

The program reads one life a line (JSON) from stdin and forks a child for it, so that a life costs no imports. The child opens the
archive as after a crash, works with several threads, and writes a line for every act that returned: what a client would know. It dies
by SIGKILL, by its own hand at the n-th reach of a named step, or by the parent's. The line `gone`, of the program, ends the life.

Steps that several acts pass are named with the act as well: `deposit:uow.committed` is the commit of a transaction that holds a deposit.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from access_forms import form
from archive.errors import AlreadyDeposited
from archive.finding import find
from archive.intake import deposit, deposit_many
from archive.reading import view
from archive.receipts import Receipt
from archive.requests.approvals import Trim, decide_request
from archive.requests.filing import file
from archive.requests.grants import give_back
from archive.requests.openings import open_case
from archive.requests.tables import access_requests, grants, request_cases
from archive.store import head
from archive.tables import cases
from archive.versions import correct, supplement
from audit.errors import LogRefused
from audit.events import Actor
from audit.export import export
from audit.indexing import Indexing
from audit.publishing import Publisher, Publishing
from audit.restoring import Admission, admit_restored
from audit.store import Published
from auth.signin import Attempt, sign_in
from case_world import FONDS, World
from crash_archive import LOGIN, SECRET, CrashArchive, auth_context, record_for
from foundation import steps
from foundation.clock import to_ms
from foundation.errors import InvalidInput
from foundation.ids import new_id
from foundation.uow import Unit
from service.cli.log_copy import copy_log
from vault.rotation import rotate_keks
from vault.unlock import CREDENTIAL_SIZE, Credential

# Reached inside a transaction of the act: the shared steps that follow in it are the act's too.
ACT_OF = {
    "deposit.inserted": "deposit",
    "version.inserted": "version",
    "request.inserted": "request",
    "approval.written": "approval",
    "opening.counted": "opening",
}
SHARED = ("audit.entries-written", "audit.head-moved", "uow.sequenced", "uow.committed")
USES = 6
CORRECTED = 3  # the version a correction makes here; no grant for an earlier one opens anything after it


class Trap:
    """The hook: kills this process at the n-th reach of a step."""

    def __init__(self, step: str, nth: int) -> None:
        self._step = step
        self._left = nth
        self._lock = threading.Lock()
        self._here = threading.local()

    def __call__(self, step: str) -> None:
        acts: set[str] = self._here.__dict__.setdefault("acts", set())
        if step == "uow.begun":
            acts.clear()
        elif step in ACT_OF:
            acts.add(ACT_OF[step])
        names = {step} | ({f"{act}:{step}" for act in acts} if step in SHARED else set())
        if self._step in names:
            with self._lock:
                self._left -= 1
                if self._left == 0:
                    say(act="killed", step=self._step)
                    os.kill(os.getpid(), signal.SIGKILL)


def say(**line: Any) -> None:
    """One line, whole or not at all: a pipe takes up to 4,096 bytes at once."""
    os.write(1, json.dumps(line).encode() + b"\n")


class Life:
    """One process's work in the archive."""

    def __init__(self, order: dict[str, Any], archive: CrashArchive, world: World) -> None:
        self.order = order
        self.archive = archive
        self.world = world
        self.desk = world.desk
        self.seed = random.Random(f"{order['seed']}/{order['life']}")
        self.ended = threading.Event()
        self.born = new_id()
        self.publishing = archive.publishing(world, Telling)
        self.indexing = Indexing(self.publishing, self.desk.uow)

    def run(self) -> None:
        """Work until killed, or until the time is up: a step that was to be hit was not then."""
        if self.order.get("admit"):
            self.admit()
        self.publishing.check(FONDS)
        works: list[Callable[[random.Random], None]] = [self.deposit_one, self.deposit_some, self.story, self.story, self.inherit]
        if self.order.get("everything"):
            works += [self.look, self.keep_keys, self.leave, self.index]
        threads = [threading.Thread(target=self.repeat, args=(work, random.Random(self.seed.random())), daemon=True) for work in works]
        Publisher(self.publishing, interval=0.01, report=self.published).start()
        for thread in threads:
            thread.start()
        self.ended.wait(self.order["seconds"])
        say(act="ended")

    def repeat(self, work: Callable[[random.Random], None], chance: random.Random) -> None:
        while True:
            try:
                work(chance)
            except Exception as error:  # noqa: BLE001  whatever an act raised that it should not have, the oracle must hear of
                params = getattr(error, "params", {})
                say(act="failed", work=work.__name__, error=f"{traceback.format_exc()[-3000:]}{params}")
                self.ended.set()
                return

    def published(self, fonds: str, error: BaseException | None) -> None:
        if error is not None:
            say(act="failed", work="publish", error=f"{fonds}: {error!r}")
            self.ended.set()

    # ------------------------------------------------------------------------------------------------ deposits

    def number(self, chance: random.Random) -> str:
        # Without digits: among so many numbers some would be refused as the number of a telephone.
        own = new_id()[-12:].translate(str.maketrans("0123456789", "ghijklmnop"))
        return f"{self.order['life']}-{own}-{chance.choice(self.order['years'])}"

    def deposit_one(self, chance: random.Random) -> None:
        case_no = self.number(chance)
        key = case_no if chance.random() < 0.5 else None
        say(act="deposit-asked", case_no=case_no, key=key)
        told(deposit(self.desk, self.world.system, record_for(case_no), idempotency_key=key), key)
        if chance.random() < 0.2:
            told(deposit(self.desk, self.world.system, record_for(case_no), idempotency_key=key), key)

    def deposit_some(self, chance: random.Random) -> None:
        numbers = [self.number(chance) for _ in range(4)]
        for case_no in numbers:
            say(act="deposit-asked", case_no=case_no, key=None)
        records = [record_for(case_no) for case_no in [*numbers, numbers[0]]]
        *answers, again, conflict, wrong = deposit_many(
            self.desk, self.world.system, [*records, records[1] | {"title": "另一内容"}, records[2] | {"case_no": 7}]
        )
        assert isinstance(conflict, AlreadyDeposited)
        assert isinstance(wrong, InvalidInput)
        assert isinstance(again, Receipt)
        for answer in [*answers, again]:
            told(answer, None)

    # ------------------------------------------------------------------------------------------------ the story

    def story(self, chance: random.Random) -> None:
        """Two cases from deposit to the last opening: filing, two decisions (the second trims), openings, a new version."""
        handler = self.world.caller("S-1")
        stored = []
        for _ in range(2):
            case_no = self.number(chance)
            say(act="deposit-asked", case_no=case_no, key=None)
            receipt = deposit(self.desk, self.world.system, record_for(case_no))
            told(receipt, None)
            stored.append(receipt.case_id)
        fields = ("petitioners[].name", "petitioners[].mobile", "content")
        filed = file(self.desk, handler, form(self.world, *stored, fields=fields, max_uses=USES))
        say(act="filed", request=filed.request_id, entry=filed.entry_id, index=filed.log_index)
        if chance.random() < 0.2:
            return
        grant_id = self.decide(filed.request_id, 1, chance)
        if grant_id is None:
            return
        for case_id in stored * 2:
            self.open(grant_id, case_id, chance)
        if chance.random() < 0.5:
            self.version(stored[0])
        if chance.random() < 0.3:
            say(act="returned", grant=grant_id, index=give_back(self.desk, handler, grant_id))

    def decide(self, request_id: str, version: int, chance: random.Random) -> str | None:
        """Decide what is still to decide of a request read at `version`; the grant, if this made one."""
        grant_id = None
        for stage, approver in list(enumerate(("S-2", "S-3"), start=1))[version - 1 :]:
            refuse = chance.random() < 0.1
            answer = decide_request(
                self.desk,
                self.world.caller(approver),
                request_id,
                verdict="refuse" if refuse else "approve",
                reason="仅限姓名和电话",
                if_match=stage,
                trim=Trim(fields=("petitioners[].name", "petitioners[].mobile")) if stage == 2 and not refuse else None,
            )
            grant_id = answer.grant_id
            say(act="decided", request=request_id, version=answer.version, status=answer.status, grant=grant_id, index=answer.log_index)
            if refuse:
                break
        return grant_id

    def open(self, grant_id: str, case_id: str, chance: random.Random) -> None:
        clear = open_case(self.desk, self.world.caller("S-1"), grant_id, case_id)
        petitioner = clear.view.record["petitioners"][0]
        assert petitioner["name"] == "张三"
        assert "content" not in clear.view.record
        say(
            act="opened",
            grant=grant_id,
            case=case_id,
            opening=clear.opening_id,
            intent=clear.intent_index,
            outcome=clear.outcome_index,
            left=clear.uses_left,
        )
        self.world.clock.advance(chance.random())

    def version(self, case_id: str) -> None:
        rating = {"feedback": [{"target": "petition_office", "satisfaction": "satisfied"}]}
        told(supplement(self.desk, self.world.system, case_id, base_version=1, part=rating, reason="信访人评价"), None, "supplement")
        with self.desk.db.read() as conn:
            row = head(conn, FONDS, case_id)
        assert row is not None
        again = record_for(row.case_no) | {"title": "更正后的标题"}
        told(correct(self.desk, self.world.system, case_id, base_version=2, record=again, reason="标题有误"), None, "correction")

    def inherit(self, chance: random.Random) -> None:
        """Go on with what an earlier life left: requests half decided, grants not used up."""
        soon = to_ms(self.world.clock.now() + timedelta(days=1))
        with self.desk.db.read() as conn:
            waiting = conn.execute(
                select(access_requests.c.request_id, access_requests.c.version).where(
                    access_requests.c.fonds == FONDS,
                    access_requests.c.request_id < self.born,
                    access_requests.c.status == "pending",
                    access_requests.c.lapses_ms > soon,
                )
            ).all()
            usable = conn.execute(
                select(grants.c.grant_id, request_cases.c.case_id)
                .join(request_cases, (request_cases.c.fonds == grants.c.fonds) & (request_cases.c.request_id == grants.c.request_id))
                .join(cases, (cases.c.fonds == request_cases.c.fonds) & (cases.c.case_id == request_cases.c.case_id))
                .where(grants.c.fonds == FONDS, grants.c.grant_id < self.born, grants.c.uses < grants.c.max_uses)
                .where(cases.c.version < CORRECTED)
                .where(grants.c.expires_ms > soon, grants.c.returned_ms.is_(None))
            ).all()
        if waiting:
            request_id, version = chance.choice(waiting)
            self.decide(request_id, version, chance)
        if usable:
            grant_id, case_id = chance.choice(usable)
            self.open(grant_id, case_id, chance)
        time.sleep(0.02)

    # ------------------------------------------------------------------------------------------------ the rest of the house

    def look(self, chance: random.Random) -> None:
        handler = self.world.caller("S-1")
        page = find(self.desk, handler, {"filters": {"petition_form": {"in": ["letter"]}}, "limit": 5})
        for row in page.rows[:1]:
            say(act="viewed", case=row.case_id, index=view(self.desk, handler, row.case_id).log_index)
        attempt = Attempt(client="intranet", address=f"192.0.2.{chance.randrange(250)}", device=None, request_id=new_id())
        signed = sign_in(auth_context(self.world), fonds=FONDS, login=LOGIN, secret=SECRET, code=None, attempt=attempt)
        say(act="signed-in", session=signed.session.session_id)
        time.sleep(0.02)

    def keep_keys(self, chance: random.Random) -> None:
        ring = self.desk.keys
        scopes = [info.scope for info in ring.keys(FONDS) if info.state == "current" and info.scope.startswith(("case/", "mask/"))]
        if scopes:
            ring.new_generation(FONDS, chance.choice(scopes), self.world.clock.now())
            rotate_keks(self.desk.db.read, self._move, ring, FONDS, batch=7)
        made = Credential.make(self.archive.folder / new_id())
        assert len(made.path.read_bytes()) == CREDENTIAL_SIZE
        made.path.unlink()
        time.sleep(0.02)

    def _move(self, move: Callable[[Any], int]) -> int:
        def fn(unit: Unit) -> int:
            return move(unit.conn)

        return self.desk.uow.bookkeep(FONDS, fn)

    def leave(self, _chance: random.Random) -> None:
        folder, taken = self.archive.folder / "copy", self.archive.folder / "taken"
        self.publishing.publish(FONDS)
        made = export(self.desk.db, FONDS, folder)
        say(act="exported", size=made.size)
        copy_log(lambda name: (folder / name).read_bytes(), taken)
        time.sleep(0.05)

    def index(self, _chance: random.Random) -> None:
        self.indexing.commit(FONDS)
        self.indexing.prune(FONDS)
        time.sleep(0.02)

    def admit(self) -> None:
        try:
            self.publishing.check(FONDS)
        except LogRefused:
            self.world.clock.advance(1)  # every life of a log is named by its second
            admit_restored(self.publishing, self.desk.uow, FONDS, Admission(actor=Actor()))
            say(act="admitted")


class Telling(Publishing):
    """Publishing that tells of every checkpoint it made."""

    def publish(self, fonds: str) -> Published | None:
        made = super().publish(fonds)
        if made is not None:
            say(act="published", size=made.size, root=made.root.hex())
        return made


def told(receipt: object, key: str | None, act: str = "deposit") -> None:
    assert isinstance(receipt, Receipt), receipt
    say(
        act=act,
        case_no=receipt.case_no,
        case=receipt.case_id,
        version=receipt.version,
        digest=receipt.digest.hex(),
        entry=receipt.entry_id,
        index=receipt.log_index,
        status=receipt.status,
        key=key,
    )


def live(order: dict[str, Any]) -> None:
    """One life: open, work, die."""
    archive = CrashArchive(order["url"], Path(order["folder"]))
    if order.get("step"):
        steps.install_hook(Trap(order["step"], order["nth"]))
    for copy in ("copy", "taken"):
        shutil.rmtree(archive.folder / copy, ignore_errors=True)
    with archive.opened(order["at"]) as world:
        say(act="began", pid=os.getpid())
        Life(order, archive, world).run()
        os._exit(0)  # threads are in the middle of things


def main() -> None:
    """Fork a child for every line of stdin; end when stdin does."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                live(json.loads(line))
            except BaseException:  # noqa: BLE001  the oracle must hear of it
                say(act="failed", work="live", error=traceback.format_exc()[-3000:])
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        say(act="gone", status=os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
