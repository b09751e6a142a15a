"""A byte stream cut into lines in bounded memory; a line that is too long or was cut in the middle becomes a fault of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from foundation.errors import Fault, InvalidInput

_CUT_OFF = Fault("$", "cut-off", "此行不完整：传输在行中间断开。", "The line is not whole: the transfer broke off inside it.")


@dataclass(frozen=True, slots=True)
class Line:
    """One line, numbered from 1: its content, or what is wrong with it."""

    number: int
    content: bytes | InvalidInput


class LineCutter:
    """Feed it blocks; it gives whole lines. Empty lines are counted and left out (NDJSON allows them)."""

    def __init__(self, most_bytes: int) -> None:
        """`most_bytes`: the longest line kept; of a longer one nothing is."""
        self._most = most_bytes
        self._parts: list[bytes] = []
        self._size = 0
        self.number = 0

    def feed(self, block: bytes) -> Iterator[Line]:
        """The lines that end in this block."""
        start = 0
        while (end := block.find(b"\n", start)) >= 0:
            self._keep(block[start:end])
            line = self._take(None)
            if line is not None:
                yield line
            start = end + 1
        self._keep(block[start:])

    def end(self) -> Iterator[Line]:
        """The line the stream ended in, if there is one. It counts as whole when it closes its object, as a truncated one never does."""
        line = self._take(_CUT_OFF)
        if line is not None:
            yield line

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size > self._most:
            self._parts.clear()
        elif part:
            self._parts.append(part)

    def _take(self, unless_closed: Fault | None) -> Line | None:
        content, size = b"".join(self._parts), self._size
        self._parts, self._size = [], 0
        if unless_closed is None or size:
            self.number += 1
        if size > self._most:
            return Line(self.number, InvalidInput([_too_long(self._most)]))
        stripped = content.strip(b" \t\r")
        if not stripped:
            return None
        if unless_closed is not None and not stripped.endswith(b"}"):
            return Line(self.number, InvalidInput([unless_closed]))
        return Line(self.number, content)


def _too_long(most: int) -> Fault:
    return Fault("$", "too-large", f"此行超过 {most} 字节的上限。", f"The line is longer than {most} bytes.")
