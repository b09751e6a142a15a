"""Each promise of the README is guarded by rules, each rule by a test that attacks it: take the rule out, and that test must fail.

The rules are in rules.toml. A mutation is one small edit to a copy of the tree; it must apply exactly once, the named test must pass
before it and fail with it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from mutated_tree import MutatedTree, Run

LANES = 2


@dataclass(frozen=True, slots=True)
class Mutation:
    """`says` is a sentence that is false once every edit (file, old, new) was made; `attack` is the test that must see it."""

    says: str
    edits: tuple[tuple[str, str, str], ...]
    attack: str

    @classmethod
    def of(cls, row: dict[str, Any]) -> Mutation:
        """Read one rule of rules.toml."""
        return cls(row["says"], tuple((one["file"], one["old"], one["new"]) for one in (row, *row.get("also", ()))), row["attack"])

    def changed(self, tree: MutatedTree) -> dict[str, str]:
        """The files as they read without the rule; AssertionError where an edit does not apply exactly once."""
        texts: dict[str, str] = {}
        for file, old, new in self.edits:
            source = texts.get(file) or tree.source(file)
            assert source.count(old) == 1, f"{self.says}: an edit of {file} applies {source.count(old)} times, not once; write it anew"
            texts[file] = source.replace(old, new)
            compile(texts[file], file, "exec")
        return texts


MUTATIONS = tuple(Mutation.of(row) for row in tomllib.loads(Path(__file__).with_name("rules.toml").read_text(encoding="utf-8"))["rule"])


class Lanes:
    """Two copies of the tree side by side: the attacks are run on each as it stands first, then mutation after mutation."""

    def __init__(self, trees: list[MutatedTree], wanted: list[Mutation]) -> None:
        """Begin with all that is wanted at once."""
        self._free: SimpleQueue[MutatedTree] = SimpleQueue()
        for tree in trees:
            self._free.put(tree)
        self._threads = ThreadPoolExecutor(len(trees))
        attacks = sorted({one.attack for one in wanted})
        self.unmutated = [self._threads.submit(self._sound, attacks[lane :: len(trees)]) for lane in range(len(trees))]
        self.mutated: dict[str, Future[Run]] = {one.says: self._threads.submit(self._broken, one) for one in wanted}

    def close(self) -> None:
        """Drop what was not begun, and wait for what was."""
        self._threads.shutdown(cancel_futures=True)

    def _sound(self, attacks: list[str]) -> Run:
        tree = self._free.get()
        try:
            return tree.run(*attacks, warm=True) if attacks else Run(0, "")
        finally:
            self._free.put(tree)

    def _broken(self, mutation: Mutation) -> Run:
        tree = self._free.get()
        try:
            return tree.run_changed(mutation.changed(tree), mutation.attack)
        finally:
            self._free.put(tree)


@pytest.fixture(scope="module")
def lanes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lanes]:
    chosen = [
        item.callspec.params.get("mutation")
        for item in request.session.items
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
    ]
    wanted = [one for one in chosen if isinstance(one, Mutation)] or list(MUTATIONS)
    with ExitStack() as stack:
        trees = [stack.enter_context(MutatedTree(tmp_path_factory.mktemp("lane"))) for _ in range(LANES)]
        made = Lanes(trees, wanted)
        stack.callback(made.close)
        yield made


def test_no_promise_is_left_without_its_rules() -> None:
    assert len({one.says for one in MUTATIONS}) == len(MUTATIONS) >= 40
    rooms = {file.partition("/")[0] for one in MUTATIONS for file, _, _ in one.edits}
    assert rooms >= {"acts", "archive", "audit", "auth", "foundation", "office", "policies", "reviews", "service", "tlog", "vault"}


def test_every_attack_is_beaten_off_while_the_rules_stand(lanes: Lanes) -> None:
    for future in lanes.unmutated:
        run = future.result()
        assert run.code == 0, run.printed[-3000:]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda one: one.says.replace(" ", "-"))
def test_an_attack_is_seen_to_succeed_without_its_rule(mutation: Mutation, lanes: Lanes) -> None:
    run = lanes.mutated[mutation.says].result()
    # A broken import or fixture would be an error and no attack that succeeded.
    assert run.code == 1, f"{mutation.says}: the attack did not succeed\n{run.printed[-2000:]}"
    assert " failed" in run.printed.splitlines()[-1]
    assert " error" not in run.printed.splitlines()[-1]
