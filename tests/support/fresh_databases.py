"""Fresh databases with the archive's whole schema, each a copy of one that was migrated once."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from foundation.database import Database
from postgres_cluster import APPLICATION, OWNER, PostgresCluster

# Every parametrisation over databases uses these, so that each PostgreSQL half carries its marker.
BACKENDS = (pytest.param("sqlite", id="sqlite"), pytest.param("postgresql", id="postgresql", marks=pytest.mark.postgresql))


@dataclass(frozen=True, slots=True)
class DatabaseUrls:
    """One database, seen by the role that owns the schema and by the role a running archive has (the same for SQLite)."""

    backend: str
    owner: str
    application: str


class FreshDatabases:
    """Makes databases; each kind is migrated once, when first asked for, and copied from then on."""

    def __init__(self, *, fsync: bool = True) -> None:
        """Start nothing yet; `fsync` is the PostgreSQL server's."""
        self._fsync = fsync
        self._stack = ExitStack()

    def close(self) -> None:
        """Stop the server and delete every database."""
        self._stack.close()

    @cached_property
    def cluster(self) -> PostgresCluster:
        """The PostgreSQL cluster, started when first asked for."""
        cluster = PostgresCluster(fsync=self._fsync)
        self._stack.callback(cluster.remove)
        return cluster

    @cached_property
    def home(self) -> Path:
        """A directory for SQLite files that goes with the session."""
        return Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="pa-sqlite-")))

    @contextmanager
    def fresh(self, backend: str) -> Iterator[DatabaseUrls]:
        """Give a database of its own, gone when the block ends."""
        if backend == "postgresql":
            name = self.cluster.create_database(self._postgresql_template)
            try:
                yield DatabaseUrls(backend, self.cluster.url(name, OWNER), self.cluster.url(name, APPLICATION))
            finally:
                self.cluster.drop_database(name)
        else:
            directory = Path(tempfile.mkdtemp(dir=self.home))
            path = directory / "archive.sqlite"
            shutil.copyfile(self._sqlite_template, path)
            path.chmod(0o600)
            try:
                yield DatabaseUrls(backend, f"sqlite:///{path}", f"sqlite:///{path}")
            finally:
                shutil.rmtree(directory)

    @cached_property
    def _postgresql_template(self) -> str:
        name = self.cluster.create_database()
        migrate(self.cluster.url(name, OWNER))
        return name

    @cached_property
    def _sqlite_template(self) -> Path:
        path = self.home / "template.sqlite"
        migrate(f"sqlite:///{path}")
        return path


def migrate(url: str) -> None:
    """Bring an empty database to the newest schema."""
    database = Database(url, pool_size=2)
    try:
        importlib.import_module("service.migrations.run").upgrade(database)
    finally:
        database.close()
