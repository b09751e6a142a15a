"""One database, SQLite or PostgreSQL, opened so that a commit means durable.

SQLite runs in WAL with `synchronous=FULL`: a commit has reached the disk when it returns. Temporary tables stay in memory and deleted
content is overwritten, so that the file holds nothing but rows; every file made here is its owner's alone (0600). PostgreSQL must run with
`fsync`, `full_page_writes` and `synchronous_commit` on; a server that does not is refused at start.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from sqlalchemy import URL, Connection, create_engine, event, make_url
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from foundation.errors import StorageUnavailable, WrongDatabase

_WRITE = "archive_write"
MINIMUM_POSTGRESQL = 150000


class Database:
    """A database and its two doors: `read()` for snapshots, `write()` for the unit of work (and migrations) alone."""

    def __init__(self, url: str | URL, *, pool_size: int = 48) -> None:
        """Open lazily; nothing is read or written before the first door is used. `pool_size` bounds connections per process."""
        self.url = make_url(url)
        self.dialect = self.url.get_backend_name()
        if self.dialect not in ("sqlite", "postgresql"):
            raise WrongDatabase(why_zh="仅支持 SQLite 与 PostgreSQL", why_en="only SQLite and PostgreSQL are supported")
        if self.dialect == "postgresql":
            self.url = self.url.set(drivername="postgresql+psycopg")
        elif not self.url.database or self.url.database == ":memory:":
            raise WrongDatabase(why_zh="SQLite 数据库须是文件", why_en="an SQLite database must be a file")
        self.engine = create_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=0,
            pool_pre_ping=self.dialect == "postgresql",
            # Values of a statement never reach a log or an exception text.
            hide_parameters=True,
        )
        if self.dialect == "sqlite":
            event.listen(self.engine, "do_connect", _make_owners_alone)
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        else:
            event.listen(self.engine, "begin", _begin_postgresql)
        self._lock: IO[str] | None = None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read-only snapshot: every statement inside sees the same committed state. StorageUnavailable when the database is away."""
        try:
            with self.engine.connect() as conn, conn.begin():
                yield conn
        except (OperationalError, InterfaceError, PoolTimeout) as error:
            raise StorageUnavailable from error

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A write transaction, committed when the block ends and durable then. For the unit of work and migrations."""
        with self.engine.connect().execution_options(**{_WRITE: True}) as conn, conn.begin():
            yield conn

    def own(self) -> None:
        """Claim the SQLite file for this process until `close`; WrongDatabase when another process holds it.

        One process owns the file: four processes committing on one SQLite file were measured at a thirtieth of one process's
        rate, with stalls of seconds. On PostgreSQL there is nothing to claim.
        """
        if self.dialect != "sqlite" or self._lock is not None:
            return
        path = Path(f"{self.url.database}.lock")
        handle = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), "a+", encoding="ascii")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.close()
            raise WrongDatabase(
                why_zh="另一个进程正在使用这个 SQLite 文件；请先停止它，或改用 PostgreSQL",
                why_en="another process is using this SQLite file; stop it first, or use PostgreSQL",
            ) from None
        os.ftruncate(handle.fileno(), 0)
        handle.write(f"{os.getpid()}\n")
        handle.flush()
        self._lock = handle

    @property
    def open_to_others(self) -> bool:
        """Whether the SQLite file may be read or written by anybody but its owner, as one that an older program made may be."""
        return self.dialect == "sqlite" and bool(Path(self.url.database or "").stat().st_mode & 0o077)

    def check_durability(self) -> None:
        """Refuse a PostgreSQL server whose commits may be lost, or which is older than 15."""
        if self.dialect != "postgresql":
            return
        with self.read() as conn:
            settings = {
                name: conn.exec_driver_sql(f"SHOW {name}").scalar_one()
                for name in ("fsync", "full_page_writes", "synchronous_commit", "server_version_num")
            }
        if int(settings["server_version_num"]) < MINIMUM_POSTGRESQL:
            raise WrongDatabase(why_zh="需要 PostgreSQL 15 或更新版本", why_en="PostgreSQL 15 or newer is needed")
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            if settings[name] == "off":
                raise WrongDatabase(
                    why_zh=f"PostgreSQL 设置 {name}=off，提交可能丢失", why_en=f"PostgreSQL runs with {name}=off, so commits could be lost"
                )

    def close(self) -> None:
        """Close every connection and let go of the file."""
        self.engine.dispose()
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _make_owners_alone(_dialect: Any, _record: Any, arguments: list[Any], _options: Any) -> None:
    """Make a file that is not there for its owner alone, whatever the umask: SQLite gives its log and shared memory the file's own mode."""
    with suppress(OSError):  # it is there, or the driver refuses it next
        os.close(os.open(arguments[0], os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # BEGIN is ours: the driver's own would defer the write lock
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "busy_timeout=10000",
        "foreign_keys=ON",
        "temp_store=MEMORY",
        "secure_delete=ON",
        "trusted_schema=OFF",
        "cache_size=-32768",
        # 16 MiB: a bulk commit of 200 cases writes some 4, and each would otherwise move all of them into the file and sync that too.
        "wal_autocheckpoint=4096",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(conn: Connection) -> None:
    conn.exec_driver_sql("BEGIN IMMEDIATE" if conn.get_execution_options().get(_WRITE) else "BEGIN")


def _begin_postgresql(conn: Connection) -> None:
    if not conn.get_execution_options().get(_WRITE):
        conn.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
