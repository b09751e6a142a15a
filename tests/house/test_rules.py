"""The rules of the house, over every file of it, and each seen to catch the breach it is there for."""

from __future__ import annotations

import ast
import textwrap
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import house_rules as rules

FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "service", "misc", "base"}
MOST_LINES = 400
FEWEST_WORDS = 4


def _offences(rule: Callable[[ast.Module], Iterator[int]], paths: list[Path]) -> list[str]:
    return [f"{path}:{line}" for path in paths for line in rule(rules.parsed(path))]


def test_only_the_clock_asks_what_time_it_is() -> None:
    paths = [path for path in rules.room_modules() if path != Path("foundation/clock.py")]
    assert _offences(rules.asks_the_time, paths) == []


def test_only_settings_and_wiring_read_the_environment() -> None:
    allowed = {Path("service/settings.py"), Path("service/wiring.py")}
    assert _offences(rules.reads_the_environment, [path for path in rules.room_modules() if path not in allowed]) == []


def test_the_init_file_of_a_room_is_a_docstring_and_nothing_else() -> None:
    paths = [path for path in rules.room_modules() if path.name == "__init__.py"]
    assert _offences(rules.more_than_a_docstring, paths) == []


def test_policies_know_the_standard_library_and_four_things_more() -> None:
    assert _offences(rules.impure_imports, [path for path in rules.room_modules() if path.parts[0] == "policies"]) == []


def test_no_module_is_longer_than_can_be_read_in_one_sitting() -> None:
    lengths = {str(path): len((rules.ROOT / path).read_bytes().splitlines()) for path in rules.modules()}
    assert {path: lines for path, lines in lengths.items() if lines > MOST_LINES} == {}


def test_no_module_is_named_after_nothing() -> None:
    named = [str(path) for path in rules.modules() if path.stem in FORBIDDEN_NAMES or path.parent.name in FORBIDDEN_NAMES - {"service"}]
    assert named == []


def test_tests_are_no_packages_so_that_none_shadows_a_room() -> None:
    assert [str(path) for path in rules.modules() if path.parts[0] == "tests" and path.name == "__init__.py"] == []


def test_every_test_has_a_name_of_its_own_that_reads_as_a_promise() -> None:
    names = [name for path in rules.modules() if path.parts[0] == "tests" for name in rules.names_of_tests(rules.parsed(path))]
    assert {name: times for name, times in Counter(names).items() if times > 1} == {}
    assert [name for name in names if len(name.rpartition("test_")[2].split("_")) < FEWEST_WORDS] == []


@pytest.mark.parametrize(
    ("rule", "breach"),
    [
        (rules.asks_the_time, "from datetime import datetime\nnow = datetime.now()"),
        (rules.asks_the_time, "import datetime as dt\nday = dt.date.today()"),
        (rules.asks_the_time, "from datetime import datetime as moment\nnow = moment.utcnow()"),
        (rules.asks_the_time, "import time\nstamp = time.time()"),
        (rules.asks_the_time, "from time import time_ns"),
        (rules.reads_the_environment, "import os\nkey = os.environ['KEY']"),
        (rules.reads_the_environment, "import os as system\nkey = system.getenv('KEY')"),
        (rules.reads_the_environment, "from os import environ"),
        (rules.more_than_a_docstring, "import os"),
        (rules.more_than_a_docstring, '"""A room."""\nfrom archive.reading import read'),
        (rules.impure_imports, "import sqlalchemy"),
        (rules.impure_imports, "from foundation import database"),
        (rules.impure_imports, "from foundation.clock import SystemClock"),
        (rules.impure_imports, "from auth.sessions import Session"),
        (rules.impure_imports, "def late():\n    import structlog"),
    ],
)
def test_each_rule_catches_the_breach_it_is_there_for(rule: Callable[[ast.Module], Iterator[int]], breach: str) -> None:
    assert list(rule(ast.parse(breach)))


def test_measuring_a_duration_is_not_asking_the_time() -> None:
    allowed = """
        import time
        from datetime import datetime
        from auth.principal import Principal
        from foundation.ids import new_id
        began = time.monotonic()
        instant = clock.now()
        read = datetime.fromisoformat("2026-01-01T00:00:00Z")
    """
    tree = ast.parse(textwrap.dedent(allowed))
    assert [*rules.asks_the_time(tree), *rules.reads_the_environment(tree), *rules.impure_imports(tree)] == []
