"""The sentences of invented cases, loaded once from the packaged tables."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from random import Random
from typing import Any


@dataclass(frozen=True, slots=True)
class Topic:
    """What petitions about one matter say; texts hold `{placeholders}`."""

    name: str
    category: str
    statutory_class: str
    purpose: str
    weight: int
    tags: tuple[str, ...]
    accused: bool
    litigation: bool
    enterprise: bool
    titles: tuple[str, ...]
    facts: tuple[str, ...]
    demands: tuple[str, ...]
    findings: tuple[str, ...]
    measures: tuple[str, ...]
    policies: tuple[tuple[str, str, str], ...]
    """(title, article or empty, date in force)."""


@dataclass(frozen=True, slots=True)
class Wording:
    """All topics with their cumulative weights, and the phrases shared by them."""

    topics: tuple[Topic, ...]
    weights: tuple[int, ...]
    lists: dict[str, tuple[str, ...]]
    texts: dict[str, str]
    verdicts: dict[str, str]
    review_texts: dict[str, str]

    def pick(self, random: Random, name: str) -> str:
        """Draw one phrase of a list."""
        return pick(random, self.lists[name])


def pick(random: Random, options: Sequence[str]) -> str:
    """Draw one of the options."""
    return options[int(random.random() * len(options))]


@cache
def wording() -> Wording:
    """Load the packaged sentences."""
    folder = resources.files("service.generator") / "texts"
    topics = tuple(_topic(row) for row in tomllib.loads((folder / "topics.toml").read_text("utf-8"))["topic"])
    phrases: dict[str, Any] = tomllib.loads((folder / "phrases.toml").read_text("utf-8"))
    total, weights = 0, []
    for topic in topics:
        total += topic.weight
        weights.append(total)
    return Wording(
        topics=topics,
        weights=tuple(weights),
        lists={name: tuple(value) for name, value in phrases.items() if isinstance(value, list)},
        texts={name: value for name, value in phrases.items() if isinstance(value, str)},
        verdicts=phrases["verdicts"],
        review_texts=phrases["review_texts"],
    )


def _topic(row: dict[str, Any]) -> Topic:
    return Topic(
        name=row["name"],
        category=row["category"],
        statutory_class=row["class"],
        purpose=row["purpose"],
        weight=row["weight"],
        tags=tuple(row["tags"]),
        accused=row.get("accused", False),
        litigation=row.get("litigation", False),
        enterprise=row.get("enterprise", False),
        titles=tuple(row["titles"]),
        facts=tuple(row["facts"]),
        demands=tuple(row["demands"]),
        findings=tuple(row["findings"]),
        measures=tuple(row["measures"]),
        policies=tuple((title, article, day) for title, article, day in row["policies"]),
    )
