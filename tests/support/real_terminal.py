"""A command at a terminal of its own (a pseudo-terminal it controls): what a person sees, types and interrupts."""

from __future__ import annotations

import os
import pty
import select
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_PATIENCE = 60.0


class RealTerminal:
    """A running command. `shown` is all that was on the screen so far, including what the terminal echoed."""

    def __init__(self, command: Sequence[str], *, folder: Path, environment: Mapping[str, str]) -> None:
        """Start `command` in `folder` with exactly this environment."""
        self.shown = ""
        self._seen = 0
        self._process, self._screen = pty.fork()
        if self._process == 0:  # the child, which becomes the command at once
            os.chdir(folder)
            os.execve(command[0], list(command), dict(environment))

    def wait_for(self, text: str) -> str:
        """What is shown from where the last wait ended up to `text`, which must appear; AssertionError with the screen otherwise."""
        until = time.monotonic() + _PATIENCE
        while (at := self.shown.find(text, self._seen)) < 0:
            assert time.monotonic() < until, f"not shown: {text}\n{self.shown}"
            assert self._read(0.2), f"ended without {text}\n{self.shown}"
        before, self._seen = self.shown[self._seen : at], at + len(text)
        return before

    def type(self, line: str) -> None:
        """Type a line and press Enter, once the program has had time to switch the echo off."""
        time.sleep(0.2)
        os.write(self._screen, f"{line}\n".encode())

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        time.sleep(0.2)
        os.write(self._screen, b"\x03")

    def kill(self) -> None:
        """Kill the command as a power cut would."""
        os.kill(self._process, signal.SIGKILL)
        self.ended()

    def ended(self) -> int:
        """Wait for the end; the exit status, or minus the signal."""
        while self._read(_PATIENCE):
            pass
        os.close(self._screen)
        return os.waitstatus_to_exitcode(os.waitpid(self._process, 0)[1])

    def _read(self, seconds: float) -> bool:
        """Take what the screen shows within `seconds`; False at the end."""
        if not select.select([self._screen], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self._screen, 65536)
        except OSError:
            return False
        self.shown += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)
