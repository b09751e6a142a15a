from __future__ import annotations

from staff_world import staff_world

__all__ = ["staff_world"]
