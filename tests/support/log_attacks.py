"""Ways to change an exported log."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

Attack = Callable[[Path], object]


def flip(file: str, at: int = 5) -> Attack:
    def attack(log: Path) -> None:
        data = bytearray((log / file).read_bytes())
        data[at] ^= 0x20
        (log / file).write_bytes(data)

    return attack


def replace(file: str, change: Callable[[bytes], bytes]) -> Attack:
    return lambda log: (log / file).write_bytes(change((log / file).read_bytes()))


def remove(file: str) -> Attack:
    return lambda log: (log / file).unlink()


def copy(source: str, target: str) -> Attack:
    def attack(log: Path) -> None:
        (log / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(log / source, log / target)

    return attack


def both(*attacks: Attack) -> Attack:
    return lambda log: [attack(log) for attack in attacks]


def swap_entries(data: bytes) -> bytes:
    """Exchange the first two entries, which are equally long."""
    length = 2 + int.from_bytes(data[:2], "big")
    return data[length : 2 * length] + data[:length] + data[2 * length :]


def swap_hashes(data: bytes) -> bytes:
    return data[32:64] + data[:32] + data[64:]


def exchange(one: str, other: str) -> Attack:
    """Put two files in each other's place."""

    def attack(log: Path) -> None:
        kept = (log / one).read_bytes()
        (log / one).write_bytes((log / other).read_bytes())
        (log / other).write_bytes(kept)

    return attack
