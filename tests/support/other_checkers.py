"""Checkers that others wrote, as commands: in Go with golang.org/x/mod/sumdb, and `aics-tlog` with `pymerkle`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
OTHER_CHECKERS = TESTS.parent / "build" / "checkers"
Check = Callable[..., tuple[bool, str]]
"""(log, vkey, older checkpoint's file or none) -> whether the log was accepted, and what was said."""


def checker(command: list[str], **environment: str) -> Check:
    """A command of either as a function; with an address for the log, the third argument is how many entries to follow it to."""

    def check(log: Path | str, vkey: str, older: Path | int | None = None) -> tuple[bool, str]:
        whole = [*command, str(log), vkey, *([] if older is None else [str(older)])]
        done = subprocess.run(whole, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
        assert done.stdout.startswith("accepted: " if done.returncode == 0 else "rejected: "), done.stderr
        return done.returncode == 0, done.stdout

    return check


def go_checker(folder: Path) -> Check:
    """That in Go, built in `folder` from Debian's packages with no network."""
    offline = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": str(folder / "cache"), "GOFLAGS": ""}
    source = TESTS / "tlog" / "go" / "main.go"
    subprocess.run(["go", "build", "-o", str(folder / "check"), str(source)], env={**os.environ, **offline}, check=True)
    return checker([str(folder / "check")])


def aics_checker() -> Check:
    """Those in Python, from the folder they were installed in apart."""
    return checker([sys.executable, str(TESTS / "support" / "aics_check.py")], PYTHONPATH=str(OTHER_CHECKERS))
