"""The table of docs/performance.md, and how it is put there."""

from __future__ import annotations

import os
import platform
import sqlite3
from datetime import date
from pathlib import Path

from bench import deposits, openings, pages, routes
from bench.counting import Cost
from bench.rounds import Spread, Times

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
# (what, the archive's side, the baseline, aim as "times as fast")
Row = tuple[str, str, str, str]
DEPOSIT_ROWS: tuple[Row, ...] = (
    ("sealed and audited deposit : plain rows, ready made", deposits.WHOLE, deposits.PLAIN, "0.8"),
    ("the same in one process : plain rows, ready made", deposits.ALONE, deposits.PLAIN, ""),
    ("sealed and audited deposit : plain, from the record", deposits.WHOLE, deposits.PLAIN_RECORD, ""),
    ("sealed and audited deposit : StringEncryptedType, ready made", deposits.WHOLE, deposits.ENCRYPTED, "3"),
    ("sealed and audited deposit : StringEncryptedType, from the record", deposits.WHOLE, deposits.ENCRYPTED_RECORD, ""),
    ("store step alone : plain rows, ready made", deposits.STORE, deposits.PLAIN, ""),
    ("store step alone : StringEncryptedType, ready made", deposits.STORE, deposits.ENCRYPTED, ""),
)
OPENING_ROWS: tuple[Row, ...] = (
    ("granted fields of a case : StringEncryptedType", openings.FIELDS, openings.ENCRYPTED, "3"),
    ("whole act, two durable entries : StringEncryptedType", openings.ACT, openings.ENCRYPTED, ""),
)
PAGE_ROWS: tuple[Row, ...] = (
    ("masked page of 50, audited : decrypt, then mask", pages.PAGE, pages.ENCRYPTED, "3"),
    ("masked page of 50, not synced : decrypt, then mask", pages.UNSYNCED, pages.ENCRYPTED, ""),
    ("masked page of 50, audited : decrypt 50 titles, hide them", pages.PAGE, pages.ENCRYPTED_TITLES, ""),
)
ROUTE_ROWS: tuple[Row, ...] = (
    ("page over HTTP, not synced : signed-in no-op (p50)", routes.PAGE, routes.SIGNED_IN, "0.1"),
    ("page over HTTP, not synced : /healthz (p50)", routes.PAGE, routes.ALIVE, ""),
)


def machine(engine: str) -> str:
    """Where the figures are from, without naming the machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    return (
        f"{date.today().isoformat()}, {cores} cores, {memory:.0f} GiB, Python {platform.python_version()}, "  # noqa: DTZ011  a date for readers
        f"SQLite {sqlite3.sqlite_version}, measured on {engine}, load {load:.1f} when it ended"
    )


def render(measured: list[tuple[tuple[Row, ...], Times]], costs: list[Cost], about: str, rounds: int) -> str:
    """Markdown: the comparisons, where a deposit's time goes, and what each act costs."""
    lines = [
        f"{about}; {rounds} rounds. Ratios above 1: the archive is the faster one. Median (lowest to highest of all rounds).",
        "",
        "| archive : baseline | archive | baseline | ratio, pair by pair | aim |",
        "|---|---:|---:|---:|---:|",
    ]
    for rows, times in measured:
        lines.extend(
            f"| {what} | {_time(times.of(own))} | {_time(times.of(base))} | {ratio(times.ratio(base, own))} | {aim} |"
            for what, own, base, aim in rows
        )
    for rows, times in measured:
        if rows is DEPOSIT_ROWS:
            lines += ["", *_parts(times)]
    if costs:
        lines += ["", *_costs(costs)]
    return "\n".join(lines) + "\n"


def _parts(times: Times) -> list[str]:
    lines = ["| part of a deposit, a record of a batch of 200 | time |", "|---|---:|"]
    for name in (deposits.PREPARATION, deposits.VALIDATION, deposits.MASKING, deposits.STORE, deposits.ALONE, deposits.WHOLE):
        label = {
            deposits.PREPARATION: "preparation: validate, look up, mask and redact, seal, tag",
            deposits.VALIDATION: "of it: validation",
            deposits.MASKING: "of it: masks and first redaction",
            deposits.STORE: "store step: all rows, audit entry, commit",
            deposits.ALONE: "whole act in one process",
            deposits.WHOLE: "whole act in bulk, with the preparing processes of this machine's default",
        }[name]
        lines.append(f"| {label} | {_time(times.of(name))} |")
    return lines


def _costs(costs: list[Cost]) -> list[str]:
    lines = ["| one | SQL statements | sealed | opened | keys wrapped | keys unwrapped | fsyncs |", "|---|---:|---:|---:|---:|---:|---:|"]
    for cost in costs:
        ciphers = [_number(cost.ciphers[name] / cost.per) for name in ("sealed", "opened", "wrapped", "unwrapped")]
        fsyncs = "not traced" if cost.fsyncs is None else _number(cost.fsyncs / cost.per)
        lines.append(f"| {cost.act} | {_number(cost.statements / cost.per)} | {' | '.join(ciphers)} | {fsyncs} |")
    return lines


def _number(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else f"{value:.3f}" if value < 1 else f"{value:.1f}"


def _time(spread: Spread) -> str:
    unit, scale = ("ms", 1e3) if spread.middle >= 1e-3 else ("µs", 1e6)
    form = "{:.2f}" if unit == "ms" else "{:.0f}"
    middle, low, high = (form.format(value * scale) for value in (spread.middle, spread.low, spread.high))
    return f"{middle} {unit} ({low} to {high})"


def ratio(spread: Spread) -> str:
    """How many times as fast: the median and the range."""
    return f"**{spread.middle:.2f}** ({spread.low:.2f} to {spread.high:.2f})"


def write(document: Path, table: str, begin: str = BEGIN, end: str = END) -> None:
    """Put the table between the document's markers, and change nothing else of it."""
    text = document.read_text(encoding="utf-8")
    head, _, rest = text.partition(begin)
    _, found, tail = rest.partition(end)
    if not found:
        raise SystemExit(f"{document.name} has no markers {begin} and {end}")
    document.write_text(f"{head}{begin}\n\n{table}\n{end}{tail}", encoding="utf-8")
