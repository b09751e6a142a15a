"""Rules of the house that import-linter cannot see, each a function from a parsed module to the lines that break it."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ROOMS: tuple[str, ...] = tuple(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])

_CLOCK_METHODS = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today")}
_CLOCK_FUNCTIONS = {("time", name) for name in ("time", "time_ns", "localtime", "gmtime", "ctime", "asctime")}
_ENVIRONMENT = {("os", name) for name in ("environ", "environb", "getenv", "getenvb")}
# What policies may import beside the standard library: a rule that needs more is not a pure rule.
_POLICIES_MAY = ("policies", "auth.principal", "foundation.ids", "foundation.errors")


@cache
def committed_files() -> tuple[Path, ...]:
    """Return every file of the repository that is, or is about to be, committed, relative to the root."""
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    names = (Path(name) for name in listed.stdout.decode().split("\0") if name)
    return tuple(sorted(path for path in names if (ROOT / path).is_file()))


def modules() -> tuple[Path, ...]:
    """Return every committed Python file."""
    return tuple(path for path in committed_files() if path.suffix == ".py")


def room_modules() -> tuple[Path, ...]:
    """Return the Python files of the rooms."""
    return tuple(path for path in modules() if path.parts[0] in ROOMS)


@cache
def parsed(path: Path) -> ast.Module:
    """Parse a file of the repository."""
    return ast.parse((ROOT / path).read_bytes(), filename=str(path))


def asks_the_time(tree: ast.Module) -> Iterator[int]:
    """Yield the lines that ask the machine what time it is; monotonic clocks measure durations and are free."""
    yield from _mentions(tree, _CLOCK_FUNCTIONS | _CLOCK_METHODS, tails=True)


def reads_the_environment(tree: ast.Module) -> Iterator[int]:
    """Yield the lines that read environment variables."""
    yield from _mentions(tree, _ENVIRONMENT, tails=False)


def _mentions(tree: ast.Module, wanted: set[tuple[str, str]], *, tails: bool) -> Iterator[int]:
    aliases = {name.asname: name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names if name.asname}
    aliases |= {name.asname: name.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for name in node.names if name.asname}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            if any((node.module, name.name) in wanted for name in node.names):
                yield node.lineno
        elif isinstance(node, ast.Attribute):
            owner = node.value
            name = owner.id if isinstance(owner, ast.Name) else owner.attr if tails and isinstance(owner, ast.Attribute) else ""
            if (aliases.get(name, name), node.attr) in wanted:
                yield node.lineno


def more_than_a_docstring(tree: ast.Module) -> Iterator[int]:
    """Yield the lines of an `__init__.py` that are not its docstring; the first line when it has none."""
    if ast.get_docstring(tree) is None:
        yield 1
    for node in tree.body[1:]:
        yield node.lineno


def impure_imports(tree: ast.Module) -> Iterator[int]:
    """Yield the lines of a policies module that import more than the standard library and the four things policies may know."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""] if node.level == 0 else [""]
            if node.module in {"auth", "foundation"}:
                names = [f"{node.module}.{name.name}" for name in node.names]
        else:
            continue
        for name in names:
            allowed = name.split(".")[0] in sys.stdlib_module_names or any(
                name == may or name.startswith(f"{may}.") for may in _POLICIES_MAY
            )
            if not allowed:
                yield node.lineno


def names_of_tests(tree: ast.Module) -> Iterator[str]:
    """Yield the names of a module's tests, as `test_…` or `Class.test_…`."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node.name
        elif isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) and inner.name.startswith("test_"):
                    yield f"{node.name}.{inner.name}"
