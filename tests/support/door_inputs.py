"""Plausible requests for every operation of the API, made from its own description: good ones, and bad ones that carry a canary.

A new operation is covered as it comes. A new path parameter, or a body in another media type, is a KeyError: somebody has to say what
to put there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from foundation.ids import new_id

JSON, NDJSON, FORM = "application/json", "application/x-ndjson", "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Asked:
    """One request: `operation` as `POST /v1/…` with its parameters unnamed."""

    operation: str
    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Inputs:
    """`ids` by the name of a path parameter; `bodies` by operation, where the schema alone makes nothing plausible."""

    description: Mapping[str, Any]
    ids: Mapping[str, str]
    bodies: Mapping[str, list[Any]]
    values: Mapping[str, Any]
    canary: str
    ascii_canary: str

    def good(self) -> Iterator[Asked]:
        """Each operation with what it asks for."""
        for name, method, path, operation in self._operations():
            query = self._query(operation)
            for content in self._good_bodies(name, operation):
                yield Asked(name, method, self._filled(path) + query, *self._sent(operation, content))

    def bad(self) -> Iterator[Asked]:
        """Each operation with a canary wherever something can be sent: in place of an id, a parameter, a header, a member, a text."""
        for name, method, path, operation in self._operations():
            good = next(iter(self._good_bodies(name, operation)))
            body, headers = self._sent(operation, good)
            if "{" in path:
                yield Asked(name, method, "/".join(quote(self.canary) if "{" in part else part for part in path.split("/")), body, headers)
            yield Asked(name, method, f"{self._filled(path)}?q={quote(self.canary)}&limit={quote(self.canary)}", body, headers)
            told = {"If-Match": self.ascii_canary, "Idempotency-Key": self.ascii_canary, "Archive-Role": self.ascii_canary[:40]}
            yield Asked(name, method, self._filled(path), body, {**headers, **told, "X-Request-Id": self.ascii_canary})
            for spoilt in self._bad_bodies(operation):
                yield Asked(name, method, self._filled(path), spoilt, headers)
            if body is not None:
                yield Asked(name, method, self._filled(path), self.canary.encode(), {"Content-Type": "text/plain"})

    def _operations(self) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
        for path, item in self.description["paths"].items():
            for method, operation in item.items():
                yield f"{method.upper()} {path}", method.upper(), path, operation

    def _filled(self, path: str) -> str:
        for name in (part[1:-1] for part in path.split("/") if part.startswith("{")):
            path = path.replace(f"{{{name}}}", quote(self.ids[name], safe="/"))
        return path

    def _query(self, operation: Mapping[str, Any]) -> str:
        given = [one for one in operation.get("parameters", ()) if one["in"] == "query" and one.get("required")]
        return "?" + "&".join(f"{one['name']}=1" for one in given) if given else ""

    def _kind(self, operation: Mapping[str, Any]) -> str | None:
        content = operation.get("requestBody", {}).get("content", {})
        assert len(content) <= 1
        return next(iter(content), None)

    def _sent(self, operation: Mapping[str, Any], content: Any) -> tuple[bytes | None, dict[str, str]]:
        kind = self._kind(operation)
        headers = {"If-Match": '"1"', "Idempotency-Key": new_id()}
        if kind is None:
            return None, headers
        made = {
            JSON: lambda: json.dumps(content, ensure_ascii=False),
            NDJSON: lambda: "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in content),
            FORM: lambda: "&".join(f"{name}={quote(str(value))}" for name, value in content.items()),
        }[kind]()
        return made.encode(), {**headers, "Content-Type": kind}

    def _good_bodies(self, name: str, operation: Mapping[str, Any]) -> list[Any]:
        if self._kind(operation) is None:
            return [None]
        return self.bodies.get(name) or [self._instance(operation["requestBody"]["content"][self._kind(operation)]["schema"])]

    def _bad_bodies(self, operation: Mapping[str, Any]) -> Iterator[bytes]:
        kind = self._kind(operation)
        if kind is None:
            return
        schema = self._resolved(operation["requestBody"]["content"][kind]["schema"])
        names = list(schema.get("properties", {}))
        bad = [
            {self.canary: self.canary},
            {one: [self.canary] for one in names},
            {one: {self.canary: self.canary} for one in names},
            self.canary,
        ]
        if kind == FORM:
            yield "&".join(f"{name}={quote(self.canary)}" for name in names).encode()
        else:
            yield from ((json.dumps(one, ensure_ascii=False) + "\n").encode() for one in bad)
        yield f'{{"title": "{self.canary}'.encode()

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        reference = schema.get("$ref")
        return self.description["components"]["schemas"][reference.rpartition("/")[2]] if reference else schema

    def _instance(self, given: Mapping[str, Any], name: str = "") -> Any:
        schema = self._resolved(given)
        if name in self.values:
            return self.values[name]
        if "enum" in schema:
            return schema["enum"][0]
        kind = schema.get("type")
        if kind == "object":
            wanted = schema.get("required", ())
            return {
                one: self._instance(inner, one)
                for one, inner in schema.get("properties", {}).items()
                if one in wanted or one in self.values
            }
        plain = {"array": [], "string": "示例", "integer": schema.get("minimum", 1), "boolean": False, None: None}
        return plain[kind]
