"""What every room's tests share: databases of both kinds, a clock that can be moved, and honesty about tests that cannot run here.

A test whose prerequisite this machine lacks is deselected, counted and named at the end of the run; with CI set, that is a failure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from foundation.clock import MovableClock
from foundation.database import Database
from fresh_databases import BACKENDS, DatabaseUrls, FreshDatabases
from postgres_cluster import PostgresCluster, server_binaries

ROOT = Path(__file__).resolve().parent.parent
SHARED_DATA = ROOT.parent / "shared" / "data"
IN_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}

# Laws are searched with a new seed every run; a failure prints the blob that repeats it. No deadline: the machines are shared and slow.
for _profile, _examples in (("dev", 40), ("ci", 100), ("soak", 3000)):
    settings.register_profile(
        _profile,
        max_examples=_examples,
        deadline=None,
        derandomize=False,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile("ci" if IN_CI else "dev")


# ---------------------------------------------------------------------------------------------- prerequisites


@dataclass(frozen=True, slots=True)
class Prerequisite:
    """Something outside the repository that the tests of one marker need."""

    marker: str
    what: str
    how: str
    met: Callable[[], bool]


PREREQUISITES = (
    Prerequisite(
        "postgresql",
        "需要 PostgreSQL 服务器程序 / need PostgreSQL server binaries",
        "Debian, Ubuntu: apt-get install postgresql; elsewhere put initdb and pg_ctl (15 or newer) on the PATH",
        lambda: server_binaries() is not None,
    ),
    Prerequisite(
        "shared_data",
        "需要样本数据 / need the sample data",
        "not part of the repository; expected in shared/data beside the checkout",
        SHARED_DATA.is_dir,
    ),
    Prerequisite(
        "golang",
        "需要 Go 和 golang.org/x/mod 的源码 / need Go and the sources of golang.org/x/mod",
        "Debian, Ubuntu: apt-get install golang-go golang-golang-x-mod-dev",
        lambda: shutil.which("go") is not None and Path("/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog").is_dir(),
    ),
    Prerequisite(
        "spin",
        "需要模型检验程序 spin 和 C 编译器 / need the model checker spin and a C compiler",
        "Debian, Ubuntu: apt-get install spin gcc libc6-dev",
        lambda: shutil.which("spin") is not None and shutil.which("cc") is not None,
    ),
    Prerequisite(
        "strace",
        "需要 strace，且允许跟踪进程 / need strace, and leave to trace processes",
        "Debian, Ubuntu: apt-get install strace; in a container: --cap-add SYS_PTRACE",
        lambda: (
            shutil.which("strace") is not None and subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], check=False).returncode == 0
        ),
    ),
    Prerequisite(
        "rsyslog",
        "需要 rsyslog 及其两个 TLS 模块 / need rsyslog with both of its TLS modules",
        "Debian, Ubuntu: apt-get install rsyslog rsyslog-gnutls rsyslog-openssl",
        lambda: Path("/usr/sbin/rsyslogd").is_file() and len([*Path("/usr/lib").glob("*/rsyslog/lmnsd_[go][ts][ls][sl].so")]) >= 2,
    ),
    Prerequisite(
        "other_checkers",
        "需要他人编写的日志校验程序 / need log checkers that others wrote",
        "pip install --no-deps --ignore-requires-python --require-hashes --target build/checkers -r tests/tlog/checkers.lock",
        (ROOT / "build" / "checkers" / "aics_tlog").is_dir,
    ),
)
_not_run = pytest.StashKey[Counter[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a soak run repeat the tests marked `soak`."""
    parser.addoption("--rounds", type=int, default=1, help="how often a test marked soak repeats itself, with new seeds")


def pytest_configure(config: pytest.Config) -> None:
    """Start with nothing left out."""
    config.stash[_not_run] = Counter()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a test by the fixture it asks for, so that nobody has to remember to."""
    if "shared_data" in getattr(item, "fixturenames", ()):
        item.add_marker(pytest.mark.shared_data)
    if "postgres" in getattr(item, "fixturenames", ()):
        item.add_marker(pytest.mark.postgresql)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, and count, the tests that cannot run on this machine."""
    missing = [prerequisite.marker for prerequisite in PREREQUISITES if not prerequisite.met()]
    left_out = []
    for item in items:
        for marker in missing:
            if item.get_closest_marker(marker):
                config.stash[_not_run][marker] += 1
                left_out.append(item)
                break
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        gone = set(left_out)
        items[:] = [item for item in items if item not in gone]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the count from a worker of pytest-xdist; they all collected the same."""
    node.config.stash[_not_run] = Counter(getattr(node, "workeroutput", {}).get("not_run", {}))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI, a test that was not run is a failure of the run."""
    not_run = session.config.stash[_not_run]
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["not_run"] = dict(not_run)
    elif not_run and IN_CI and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which tests were not run, why, and how to get them."""
    not_run = config.stash[_not_run]
    if not not_run:
        return
    terminalreporter.section("未运行的测试 / tests not run", yellow=True)
    for prerequisite in PREREQUISITES:
        if count := not_run[prerequisite.marker]:
            terminalreporter.line(f"{count:5d}  {prerequisite.what}")
            terminalreporter.line(f"       {prerequisite.how}")
    if IN_CI:
        terminalreporter.line("CI: 有测试未运行，按失败处理 / tests were not run, which fails this run", red=True)


# ---------------------------------------------------------------------------------------------- fixtures


@pytest.fixture
def clock() -> MovableClock:
    """A clock that stands at noon of a working day in Shanghai until it is moved."""
    return MovableClock(datetime(2026, 3, 18, 4, 0, tzinfo=UTC))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of sample data beside the checkout; asking for it marks the test."""
    return SHARED_DATA


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    """How often a test marked `soak` repeats itself."""
    given: int = request.config.getoption("--rounds")
    return given


@pytest.fixture(scope="session")
def fresh_databases() -> Iterator[FreshDatabases]:
    """Makes migrated databases on request, for fixtures of wider scope than one test: `with fresh_databases.fresh(backend) as urls`.

    Such a fixture takes its parameters from `fresh_databases.BACKENDS`, which carry the marker of PostgreSQL.
    """
    maker = FreshDatabases(fsync=os.environ.get("ARCHIVE_TEST_FSYNC", "on") != "off")
    yield maker
    maker.close()


@pytest.fixture(scope="session")
def postgres(fresh_databases: FreshDatabases) -> PostgresCluster:
    """The PostgreSQL cluster of this test session; asking for it marks the test `postgresql`."""
    return fresh_databases.cluster


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """Run the test on both databases."""
    name: str = request.param
    return name


@pytest.fixture
def database_urls(fresh_databases: FreshDatabases, backend: str) -> Iterator[DatabaseUrls]:
    """A fresh database with the whole schema: its URLs for the owner and for the application role."""
    with fresh_databases.fresh(backend) as urls:
        yield urls


@pytest.fixture
def database(database_urls: DatabaseUrls) -> Iterator[Database]:
    """A fresh database with the whole schema, opened in the application role, on both databases."""
    opened = Database(database_urls.application, pool_size=12)
    yield opened
    opened.close()


@pytest.fixture
def owner_database(database_urls: DatabaseUrls) -> Iterator[Database]:
    """The database of `database`, opened in the role that owns the schema."""
    opened = Database(database_urls.owner, pool_size=4)
    yield opened
    opened.close()
