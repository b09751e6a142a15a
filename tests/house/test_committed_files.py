"""What is committed names no host, no machine and no unfinished work, and installs exactly what it says."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

import house_rules as rules

LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-build.lock")
PROJECT = rules.PROJECT
SDK: dict[str, Any] = tomllib.loads((rules.ROOT / "sdk" / "pyproject.toml").read_text(encoding="utf-8"))
# Spelled apart, so that this file does not find itself.
UNFINISHED = re.compile(
    "|".join(("TO" + "DO", "FIX" + "ME", "X" + "XX", "Not" + "ImplementedError", r"mark\.(?:sk" + "ip|xf" + "ail)", "assert " + "True"))
)


def _text(path: Path) -> str:
    try:
        return (rules.ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def _pins(lock: str) -> dict[str, list[str]]:
    """Return what a lock pins: distribution -> hashes of its files."""
    pins: dict[str, list[str]] = {}
    name = ""
    for line in (rules.ROOT / lock).read_text(encoding="utf-8").splitlines():
        if found := re.match(r"([A-Za-z0-9_.-]+)==", line):
            name = _normal(found[1])
            pins.setdefault(name, [])
        elif found := re.match(r"\s+--hash=sha256:([0-9a-f]{64})", line):
            pins[name].append(found[1])
    return pins


def _normal(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!~;]", requirement, maxsplit=1)[0]).lower()


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_a_hash_for_everything_it_names(lock: str) -> None:
    pins = _pins(lock)
    assert pins
    assert [name for name, hashes in pins.items() if not hashes] == []
    unpinned = [line for line in _text(Path(lock)).splitlines() if line[:1].isalnum() and "==" not in line]
    assert unpinned == []


def test_a_lock_names_no_host() -> None:
    lock_like = [
        path
        for path in rules.committed_files()
        if re.search(r"(lock|lock\.txt|lock\.json|\.npmrc|pip\.conf|uv\.toml|requirements.*\.txt)$", path.name) and path.suffix != ".py"
    ]
    assert {Path(name) for name in LOCKS} <= set(lock_like)
    naming = re.compile(r"://|--(extra-)?index-url|--find-links|--trusted-host|^-[if]\s", re.MULTILINE)
    assert [str(path) for path in lock_like if naming.search(_text(path))] == []


def test_the_locks_are_complete_for_what_the_projects_ask_for() -> None:
    runtime, development = _pins("requirements.lock"), _pins("requirements-dev.lock")
    asked = {_normal(name) for name in PROJECT["project"]["dependencies"]}
    assert asked - set(runtime) == set()
    groups = PROJECT["dependency-groups"]
    build = {_normal(name) for name in groups["build"]}
    tools = {_normal(name) for name in groups["dev"] if isinstance(name, str)} | {_normal(name) for name in SDK["project"]["dependencies"]}
    assert (asked | tools | build) - set(development) == set()
    assert {"hatchling"} <= build <= set(_pins("requirements-build.lock"))


def test_the_tests_run_on_the_versions_the_archive_is_deployed_with() -> None:
    development = _pins("requirements-dev.lock")
    deployed = _pins("requirements.lock") | _pins("requirements-build.lock")
    assert {name for name, hashes in deployed.items() if development.get(name) != hashes} == set()


def test_nothing_committed_names_a_path_of_this_machine() -> None:
    well_known = {Path("/"), Path("/tmp"), Path("/home"), Path("/srv"), Path("/opt"), Path("/usr"), Path("/var")}
    private = {f"{path}/" for path in (rules.ROOT, rules.ROOT.parent, Path("~").expanduser()) if path not in well_known}
    found = [f"{path}: {name}" for path in rules.committed_files() for name in private if name in _text(path)]
    assert found == []


def test_nothing_committed_is_unfinished_or_switched_off() -> None:
    code = [path for path in rules.committed_files() if path.suffix in {".py", ".js", ".html", ".toml", ".sh"} or path.parts[0] == ".ci"]
    found = [f"{path}:{number}" for path in code for number, line in enumerate(_text(path).splitlines(), 1) if UNFINISHED.search(line)]
    assert found == []


def test_no_committed_file_is_a_binary_or_larger_than_it_need_be() -> None:
    assert {str(path): size for path in rules.committed_files() if (size := (rules.ROOT / path).stat().st_size) > 600 * 1024} == {}


def test_every_exclusion_of_the_linter_gives_its_reason() -> None:
    lines = _text(Path("pyproject.toml")).splitlines()
    begin = lines.index("[tool.ruff.lint]")
    end = lines.index("[tool.ruff.lint.pylint]")
    unexplained, commented = [], False
    for line in lines[begin:end]:
        if re.match(r'\s*"[A-Z]+[0-9]*"', line) and "#" not in line and not commented:
            unexplained.append(line)
        commented = line.lstrip().startswith("#")
    assert unexplained == []


def test_the_list_of_untyped_libraries_is_closed_and_each_is_in_use() -> None:
    overrides = PROJECT["tool"]["mypy"]["overrides"]
    untyped = [module for override in overrides if override.get("ignore_missing_imports") for module in override["module"]]
    imported = "\n".join(_text(path) for path in rules.modules())
    assert [
        module for module in untyped if not re.search(rf"^\s*(import|from) {module.removesuffix('.*')}\b", imported, re.MULTILINE)
    ] == []
    assert not any(override.get("ignore_errors") or override.get("follow_imports") for override in overrides)
    assert PROJECT["tool"]["mypy"]["strict"] is True


def test_every_room_is_packed_stands_on_a_floor_and_exists() -> None:
    floors = next(contract for contract in PROJECT["tool"]["importlinter"]["contracts"] if contract["id"] == "floors")
    standing = [room.strip() for floor in floors["layers"] for room in floor.split("|")]
    assert sorted(standing) == sorted(rules.ROOMS)
    assert set(PROJECT["tool"]["importlinter"]["root_packages"]) == {*rules.ROOMS, "petition_archive_client"}
    assert [room for room in rules.ROOMS if not (rules.ROOT / room / "__init__.py").is_file()] == []


def test_the_rooms_under_test_are_those_of_the_wheel_when_the_wheel_is_tested() -> None:
    import foundation.ids
    import petition_archive_client

    site = os.environ.get("ARCHIVE_TEST_SITE")
    for module, home in ((foundation.ids, rules.ROOT), (petition_archive_client, rules.ROOT / "sdk")):
        assert Path(str(module.__file__)).is_relative_to(site or home)
