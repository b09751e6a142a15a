from __future__ import annotations

from collections.abc import Iterator

import pytest

from crash_rounds import Workers


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    """The worker program, started once for a module's lives."""
    program = Workers()
    yield program
    program.close()
