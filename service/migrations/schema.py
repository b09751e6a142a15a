"""The whole schema in one metadata: importing this module has every room's tables declared."""

from __future__ import annotations

import archive.requests.tables
import archive.tables
import audit.tables
import auth.tables
import service.streams.tables
import vault.tables
from foundation.tables import metadata

ROOMS = (archive.requests.tables, archive.tables, audit.tables, auth.tables, service.streams.tables, vault.tables)

__all__ = ["ROOMS", "metadata"]
