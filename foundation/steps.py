"""Named steps: the places where a crash is worth testing.

`reach` does nothing in a running archive. A test's own launcher may install a hook in its process, which then kills the process at
the step it names; no setting and no request can.
"""

from __future__ import annotations

from collections.abc import Callable

_hook: Callable[[str], None] | None = None


def reach(step: str) -> None:
    """Say that `step` was reached."""
    if _hook is not None:
        _hook(step)


def install_hook(hook: Callable[[str], None] | None) -> None:
    """Call `hook` at every step from now on (None: no longer)."""
    global _hook  # noqa: PLW0603  one process, one hook, set before anything runs
    _hook = hook
