"""The whole schema in one metadata: importing this module has every room's tables declared."""

from __future__ import annotations

import archive.requests.tables
import archive.tables
import audit.tables
import auth.tables
import vault.tables  # noqa: F401  the imports declare the tables
from foundation.tables import metadata

__all__ = ["metadata"]
