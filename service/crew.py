"""The crew: processes that prepare deposits beside this one, so that validation, masking and sealing of many cases use every core.

* A hand is a process of this program without a database (`service.crew_hand`). It is told over a socket pair, its standard input, where the
  key ring lies and what unlocks it; never on a command line, in an environment or in a file. It leaves no core file.
* It ends when the parent closes its end of the pair, or dies, however: the system closes that end then.
* Small work, and all work until the hands are ready, is done in this process (`prepare` answers None); so is work that met an error there.
* A hand that dies in the middle makes its unit a PreparationInterrupted: nothing of it was stored. The next unit finds a new hand.
"""

from __future__ import annotations

import pickle
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path

from archive.errors import PreparationInterrupted
from archive.preparing import Outcome, Tools
from vault.unlock import Unlock

SMALL = 48
"""Fewer records than this are prepared in the process itself: sending them would cost more than it saves."""
_PART = 24
_PATIENCE_SECONDS = 120.0
_END_SECONDS = 5.0
FAILURES = 4
Terms = tuple[Path, Unlock, str, Path]
"""The key ring's file, what unlocks it, the archive it must be of, and the folder of overlays of the rulebook."""


class Hand:
    """One preparing process, as its parent sees it. Used by one thread at a time."""

    def __init__(self, terms: Terms) -> None:
        """Start it; it becomes ready by itself."""
        ours, theirs = socket.socketpair()
        with theirs, ours:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "service.crew_hand"],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                # Nothing of the parent's, which may hold a passphrase; this program's own code, and none from the working folder.
                env={"PYTHONPATH": str(Path(__file__).resolve().parent.parent), "PYTHONSAFEPATH": "1", "PYTHONUTF8": "1"},
            )
            self._channel = Connection(ours.detach())
        self.worked = False
        with suppress(OSError):
            self._channel.send_bytes(pickle.dumps(terms))

    def ready(self) -> bool:
        """Whether it can be given work; OSError or EOFError when it ended."""
        if not self.worked and self._channel.poll(0):
            self._channel.recv_bytes()
            self.worked = True
        return self.worked

    def send(self, job: bytes) -> None:
        """Give it work; OSError when it ended."""
        self._channel.send_bytes(job)

    def answer(self) -> bytes:
        """Its answer, pickled; OSError or EOFError when it ended."""
        return self._channel.recv_bytes()

    def fileno(self) -> int:
        """What to wait at for its answer."""
        return self._channel.fileno()

    def let_go(self) -> None:
        """Close the channel, which ends it."""
        self._channel.close()

    def end(self) -> None:
        """End it now if it has not ended by itself in some seconds."""
        self.let_go()
        try:
            self.process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it at once."""
        self.let_go()
        self.process.kill()
        self.process.wait()


class Crew:
    """Implements `archive.preparing.Preparers` with `size` processes, which start when there is first work for them."""

    def __init__(self, size: int, terms: Terms) -> None:
        """Nothing starts yet."""
        self._size = size
        self._terms = terms
        self._guard = threading.Lock()
        self._idle: queue.LifoQueue[Hand] = queue.LifoQueue()
        self._hands: list[Hand] = []
        self._closed = size == 0
        self._failed = 0

    def prepare(self, tools: Tools, fonds: str, records: Sequence[object]) -> list[Outcome] | None:
        """As `archive.preparing.Preparers`: parts of the records go to hands that are free, and come back in order."""
        if len(records) < SMALL or self._closed:
            return None
        hands = self._free(most=len(records) // _PART)
        if not hands:
            return None
        about = (tools.rulebook.version, tools.now, fonds)
        starts = range(0, len(records), _PART)
        jobs = (pickle.dumps((*about, records[at : at + _PART]), pickle.HIGHEST_PROTOCOL) for at in starts)
        whole = False
        try:
            answers = _shared_out(jobs, hands, len(starts))
            whole = True
        except (OSError, EOFError):
            raise PreparationInterrupted from None
        finally:
            # Whoever was not heard to the end would answer the next question with this one's answer.
            for hand in hands:
                self._idle.put(hand) if whole else self._lost(hand)
        if any(answer is None for answer in answers):
            return None
        return [outcome for answer in answers if answer is not None for outcome in answer]

    def close(self) -> None:
        """End every hand; what they still do is lost, and nothing of it was acknowledged."""
        with self._guard:
            self._closed = True
            hands, self._hands = self._hands, []
        for hand in hands:
            hand.let_go()
        for hand in hands:
            hand.end()

    def _free(self, most: int) -> list[Hand]:
        """Up to `most` hands that are ready; none while all are at work or starting."""
        self._staff()
        found: list[Hand] = []
        starting: list[Hand] = []
        while len(found) < max(most, 1):
            try:
                hand = self._idle.get_nowait()
            except queue.Empty:
                break
            try:
                (found if hand.ready() else starting).append(hand)
            except (OSError, EOFError):
                self._failed += not hand.worked
                self._lost(hand)
        for hand in starting:
            self._idle.put(hand)
        return found

    def _staff(self) -> None:
        with self._guard:
            # Hands that end before they are ready will not do better the next time: this process then goes on alone.
            while not self._closed and self._failed < FAILURES and len(self._hands) < self._size:
                try:
                    hand = Hand(self._terms)
                except OSError:  # this machine starts no process more at present
                    self._failed += 1
                    return
                self._hands.append(hand)
                self._idle.put(hand)

    def _lost(self, hand: Hand) -> None:
        hand.kill()
        with self._guard, suppress(ValueError):
            self._hands.remove(hand)


def _shared_out(jobs: Iterator[bytes], hands: Sequence[Hand], count: int) -> list[list[Outcome] | None]:
    """The answers to all jobs, in their order, None where a hand could not do one. A hand that answers gets the next job before its answer
    is read, so that none waits while another is slower. OSError or EOFError when one ended or none answers.
    """
    answers: list[list[Outcome] | None] = [None] * count
    numbered = enumerate(jobs)
    working: dict[int, tuple[Hand, int]] = {}

    def give(hand: Hand) -> None:
        for number, job in numbered:
            hand.send(job)
            working[hand.fileno()] = hand, number
            return

    for hand in hands:
        give(hand)
    while working:
        ready = wait(list(working), _PATIENCE_SECONDS)
        if not ready:
            raise TimeoutError
        for one in [one for one in working if one in ready]:
            hand, number = working.pop(one)
            answer = hand.answer()
            give(hand)
            answers[number] = pickle.loads(answer)  # noqa: S301  from our own child, over a socket of our own
    return answers
