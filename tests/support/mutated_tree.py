"""Runs named tests on a copy of the tree in which one rule is taken out, many times and quickly.

One copy serves them all: its files are links to the tree's own until one is changed, and each run is a fork of a process that has loaded
the libraries (and none of the rooms), so that what a run costs is the test itself.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from house_rules import ROOT, committed_files

# What every room and its tests load. Nothing of the tree is: a fork loads that with its change in it.
_SERVER = """
import importlib, json, os, sys
sys.path[:0] = [os.getcwd(), os.path.join(os.getcwd(), "sdk")]
for name in sys.argv[1].split(","):
    importlib.import_module(name)
for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if child == 0:
        told = os.open(asked["told"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        for stream in (1, 2):
            os.dup2(told, stream)
        sys.dont_write_bytecode = not asked["warm"]
        import pytest
        code = 3
        try:
            code = int(pytest.main(asked["arguments"]))
        finally:
            sys.stdout.flush()
            os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
_LIBRARIES = (
    "pytest,_pytest.assertion.rewrite,hypothesis,sqlalchemy.dialects.sqlite,alembic.command,cryptography.x509,jose.jws,"
    "pydantic,httpx,fastapi,uvicorn,structlog,pyotp,click"
)


@dataclass(frozen=True, slots=True)
class Run:
    """How a run of tests ended: pytest's exit code, and what it printed."""

    code: int
    printed: str


class MutatedTree:
    """The copy, in a folder of its own; `with` it, so that its process ends."""

    def __init__(self, folder: Path) -> None:
        """Link every file of the tree into `folder`."""
        self.root = folder / "tree"
        self._told = folder / "told"
        for path in committed_files():
            target = self.root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(ROOT / path, target)
            except OSError:  # another file system
                shutil.copy2(ROOT / path, target)
        self._server: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        """Start the process that runs are forked from."""
        given = {
            name: value for name, value in os.environ.items() if name != "CI" and not name.startswith(("PYTEST_", "PYTHON", "ARCHIVE_"))
        }
        self._server = subprocess.Popen(
            [sys.executable, "-c", _SERVER, _LIBRARIES],
            cwd=self.root,
            env=given | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        if self._server is not None and self._server.stdin is not None:
            self._server.stdin.close()
            self._server.wait(60)

    def source(self, file: str) -> str:
        """What a file says."""
        return (self.root / file).read_text(encoding="utf-8")

    def run(self, *tests: str, warm: bool = False) -> Run:
        """Run these tests as the copy stands, on SQLite alone; `warm` keeps the compiled modules for later runs."""
        server = self._server
        if server is None or server.stdin is None or server.stdout is None:
            raise RuntimeError("the tree is not entered")
        arguments = ["-q", "-p", "no:cacheprovider", "-k", "not postgresql", "--tb=short", *tests] + ([] if warm else ["-x"])
        server.stdin.write(json.dumps({"arguments": arguments, "told": str(self._told), "warm": warm}) + "\n")
        server.stdin.flush()
        code = server.stdout.readline()
        return Run(int(code) if code else -1, self._told.read_text(encoding="utf-8", errors="replace"))

    def run_changed(self, changed: Mapping[str, str], *tests: str) -> Run:
        """Run these tests while each file of `changed` says what is given for it, and put all back."""
        moved: list[tuple[Path, Path]] = []
        try:
            for file, text in changed.items():
                target = self.root / file
                compiled = (target.parent / "__pycache__").glob(f"{target.stem}.*.pyc")
                for one in (target, *compiled):
                    kept = one.with_name(one.name + ".kept")
                    one.rename(kept)  # a link to the tree's own file is never written through
                    moved.append((kept, one))
                target.write_text(text, encoding="utf-8")
            return self.run(*tests)
        finally:
            for kept, one in moved:
                kept.replace(one)
