"""One small archive for all door tests of a database; tests deposit cases of their own and move the clock forwards only."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fresh_databases import BACKENDS, FreshDatabases
from small_archive import SmallArchive, small_archive


@pytest.fixture(scope="session")
def archive(fresh_databases: FreshDatabases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallArchive]:
    """On SQLite, which is what a small office has."""
    with fresh_databases.fresh("sqlite") as urls, small_archive(urls, tmp_path_factory.mktemp("archive")) as made:
        yield made


@pytest.fixture(scope="session", params=BACKENDS)
def either_archive(
    request: pytest.FixtureRequest, fresh_databases: FreshDatabases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SmallArchive]:
    """On both databases, for what a database could break."""
    with fresh_databases.fresh(request.param) as urls, small_archive(urls, tmp_path_factory.mktemp("archive")) as made:
        yield made
