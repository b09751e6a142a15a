"""What the documentation names is there: files by their paths, modules and what is in them by their dotted names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from audit.kinds import KINDS
from house_rules import ROOMS, ROOT, committed_files, parsed, room_modules
from policies.actions import ACTIONS

# Folders whose files are named by their path; what a build or a run makes is not among them.
FOLDERS = (*ROOMS, "bench", "docs", "examples", "sdk", "tests")
_PATH = re.compile(rf"(?<![\w./-])((?:{'|'.join(FOLDERS)})/[\w./-]*\w\.(?:csv|json|lock|md|py|toml))(?![\w/])")
_QUOTED = re.compile(rf"`((?:{'|'.join(ROOMS)})(?:\.\w+)+)(?:\(\))?`")


def absent(text: str) -> Iterator[str]:
    """Yield the paths a text names that no file has, and the dotted names in backquotes that no module has."""
    yield from (found[1] for found in _PATH.finditer(text) if not (ROOT / found[1]).exists())
    for found in _QUOTED.finditer(text):
        # Codes of the log and of the rules look like names of modules.
        if found[1] not in KINDS and found[1] not in ACTIONS and not _is_there(found[1].split(".")):
            yield found[1]


def _is_there(parts: list[str]) -> bool:
    for length in range(len(parts), 0, -1):
        module, package = Path(*parts[:length]).with_suffix(".py"), Path(*parts[:length], "__init__.py")
        home = next((path for path in (module, package) if (ROOT / path).is_file()), None)
        if home is not None:
            return length == len(parts) or parts[length] in _names(home)
    return False


def _names(path: Path) -> set[str]:
    nodes = list(ast.walk(parsed(path)))
    made = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    return made | {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def test_every_file_and_module_the_documentation_names_is_there() -> None:
    texts = [*(path for path in committed_files() if path.suffix == ".md"), *room_modules()]
    found = {(str(path), name) for path in texts for name in absent((ROOT / path).read_text("utf-8"))}
    assert found == set()


def test_a_name_of_what_is_not_there_is_found() -> None:
    named = "see docs/no-page.md, docs/limits.md, `audit.kinds`, `audit.kinds.KINDS`, `audit.kinds.gone`, `audit.gone`, `log.queried`"
    assert list(absent(named)) == ["docs/no-page.md", "audit.kinds.gone", "audit.gone"]
