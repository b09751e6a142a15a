"""The form of an answer with proofs, read strictly: what is said twice, left out, added or spelt otherwise proves nothing."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any, Final

from audit.index_keys import VERSION
from foundation import strict_json
from foundation.errors import InvalidInput
from tlog.errors import TlogError
from tlog.merkle import HASH_SIZE

MOST_BYTES: Final = 256 * 2**20
_MEMBERS: Final = {"v", "log", "kind", "id", "size", "checkpoint", "commitment", "cover", "entries"}


class AnswerRejected(TlogError):
    """The answer proves nothing: `where` in it, and `why`, a stable code."""

    text = "答复不成立：{where}（{why}） / the answer does not hold: {where} ({why})"


class Part:
    """An object of an answer: nothing is in it but the members it has to have, and each is what it has to be. AnswerRejected."""

    def __init__(self, value: Any, where: str, members: set[str], optional: frozenset[str] = frozenset()) -> None:
        self.where = where
        if not isinstance(value, dict) or not members <= value.keys() <= members | optional:
            raise AnswerRejected(where=where, why="members")
        self.value = value

    def part(self, name: str) -> Any:
        return self.value[name]

    def text(self, name: str) -> str:
        value = self.value[name]
        if not isinstance(value, str):
            raise self.malformed(name)
        return value

    def number(self, name: str) -> int:
        value = self.value[name]
        if type(value) is not int or value < 0:
            raise self.malformed(name)
        return value

    def raw(self, name: str) -> bytes:
        return self._decoded(name, self.value[name])

    def hash(self, name: str) -> bytes:
        return self._hash(name, self.value[name])

    def path(self, name: str = "path") -> list[bytes]:
        return [self._hash(name, one) for one in self.items(name)]

    def items(self, name: str) -> list[Any]:
        value = self.value[name]
        if not isinstance(value, list):
            raise self.malformed(name)
        return value

    def numbers(self, name: str) -> list[int]:
        found = self.items(name)
        if any(type(one) is not int or one < 0 for one in found):
            raise self.malformed(name)
        return found

    def malformed(self, name: str) -> AnswerRejected:
        return AnswerRejected(where=f"{self.where}.{name}".lstrip("."), why="form")

    def _hash(self, name: str, value: Any) -> bytes:
        found = self._decoded(name, value)
        if len(found) != HASH_SIZE:
            raise self.malformed(name)
        return found

    def _decoded(self, name: str, value: Any) -> bytes:
        try:
            found = b64decode(value, validate=True)
        except (TypeError, ValueError):
            raise self.malformed(name) from None
        if b64encode(found).decode() != value:
            raise self.malformed(name)
        return found


class Opened(Part):
    def __init__(self, data: bytes) -> None:
        try:
            value = strict_json.loads(data, max_bytes=MOST_BYTES, max_depth=8)
        except InvalidInput as error:
            raise AnswerRejected(where="$", why=error.faults[0].rule) from None
        super().__init__(value, "", _MEMBERS, frozenset({"consistency"}))
        if type(value["v"]) is not int or value["v"] != VERSION:
            raise AnswerRejected(where="v", why="version")
