"""Racing contenders round by round: each round runs all of them on the same work, in turning order, so that a slow minute of the machine
falls on all alike. What is reported are medians with their range, and ratios taken pair by pair within a round.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median

Contender = Callable[[int], float]
"""Takes the round's number, does that round's work and returns the seconds one item took; what is not measured stays off its clock."""


@dataclass(slots=True)
class Stopwatch:
    """Adds up what ran inside `running`."""

    seconds: float = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count this block."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - begun


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and range of some samples."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, samples: list[float]) -> Spread:
        return cls(median(samples), min(samples), max(samples))


@dataclass(slots=True)
class Times:
    """Seconds per item of every contender, a sample a round."""

    samples: dict[str, list[float]] = field(default_factory=dict)

    def of(self, name: str) -> Spread:
        """Seconds per item."""
        return Spread.of(self.samples[name])

    def ratio(self, baseline: str, name: str) -> Spread:
        """How many times as fast as the baseline, round by round: above 1 the archive is the faster one."""
        return Spread.of([base / own for base, own in zip(self.samples[baseline], self.samples[name], strict=True)])


def race(contenders: Mapping[str, Contender], rounds: int, say: Callable[[str], None]) -> Times:
    """Run `rounds` rounds after one that warms up and is not counted."""
    names = list(contenders)
    times = Times({name: [] for name in names})
    for number in range(rounds + 1):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            # Garbage of one contender is not collected on the next one's time.
            gc.collect()
            seconds = contenders[name](number)
            if number:
                times.samples[name].append(seconds)
        say(f"round {number}/{rounds}" + ("  (warm-up)" if not number else ""))
    return times
