from __future__ import annotations

from case_world import world

__all__ = ["world"]
