"""A value of its own for every sealed field of the catalogue, and every spelling a careless archive could leave of it."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from unicodedata import normalize
from urllib.parse import quote

from policies.catalogue import Catalogue, Field

# Types of so few values that finding one proves nothing: of these it is proven that stored bytes do not tell one value from another.
FEW_VALUES = frozenset({"bool", "code"})
EXTRA = "example_item"
_HEAD = 8  # shorter spellings turn up by chance
_DIGESTS = ("md5", "sha1", "sha256", "sha512", "sm3", "blake2b")
_FORMS: Mapping[str, Callable[[str, int], str]] = {
    "id_number": lambda stem, number: f"999999{stem[:4]}1332{number:03d}X",
    "telephone": lambda stem, number: f"1000{stem[:4]}{number:03d}",
    "register-code": lambda stem, number: f"KANARI-{stem}-{number:03d}",
    "email": lambda stem, number: f"kanari{stem}{number:03d}@example.invalid",
    "file-name": lambda stem, number: f"金丝雀{stem}{number:03d}号.pdf",
}


@dataclass
class Canaries:
    """The planted values by field path; a field may have several."""

    stem: str = field(default_factory=lambda: f"{secrets.randbelow(10**8):08d}")
    planted: dict[str, list[str]] = field(default_factory=dict)

    def text(self, path: str, form: str = "") -> str:
        """A text of this form that stands nowhere else in the world."""
        number = sum(map(len, self.planted.values())) + 1
        made = _FORMS[form](self.stem, number) if form in _FORMS else f"金丝雀{self.stem}{number:03d}号文字"
        return self.keep(path, made)

    def keep(self, path: str, value: str) -> str:
        self.planted.setdefault(path, []).append(value)
        return value

    def of(self, one: Field) -> Any:
        """A value for a sealed field. KeyError for a type nobody has thought of: then neither is it covered here."""
        number = 1 + len(self.planted) % 28
        makers: Mapping[str, Callable[[], Any]] = {
            "string": lambda: self.text(one.path, "id_number" if one.name == "id_number" else one.format),
            "text": lambda: self.text(one.path),
            "strings": lambda: [self.text(one.path, one.format), self.text(one.path, one.format)],
            "dated-texts": lambda: [{"date": self.keep(f"{one.path}.date", f"2087-11-{number:02d}"), "text": self.text(one.path)}],
            "json": lambda: {EXTRA: self.text(one.path)},
            "sha256": lambda: self.keep(one.path, hashlib.sha256(f"{self.stem}{number}".encode()).hexdigest()),
            "date": lambda: self.keep(one.path, f"1897-03-{number:02d}"),
            "datetime": lambda: self.keep(one.path, f"1999-08-07T06:05:{number:02d}.321Z"),
            "integer": lambda: int(self.keep(one.path, f"8765{self.stem}{number:03d}")),
        }
        return makers[one.type]()

    def plant(self, record: dict[str, Any], catalogue: Catalogue) -> dict[str, Any]:
        """Put a canary into every sealed field of `record` that has enough values to hold one, into the first item of a group."""
        for one in sealed_fields(catalogue):
            if one.type in FEW_VALUES or (one.type == "json" and EXTRA not in catalogue.extra_collected):
                continue
            group, _, name = one.path.rpartition(".")
            key = group.removesuffix("[]")
            target = record if not key else record[key][0] if group.endswith("[]") else record.setdefault(key, {})
            target[name] = self.of(one)
        return record

    def found_in(self, stolen: bytes, *, but: Iterable[str] = ()) -> list[str]:
        """Where a canary is in these bytes, in any spelling: field paths with the spelling's name."""
        left_out = set(but)
        sought: dict[bytes, list[tuple[bytes, str]]] = {}
        for path, values in self.planted.items():
            for name, form in (one for value in values if path not in left_out for one in spellings(value)):
                if len(form) >= _HEAD:
                    sought.setdefault(form[:_HEAD], []).append((form, f"{path} ({name})"))
        # One pass over what was stolen, whatever the number of spellings: thousands of searches of megabytes would take minutes.
        heads = {head for at in range(len(stolen) - _HEAD + 1) if (head := stolen[at : at + _HEAD]) in sought}
        return sorted({where for head in heads for form, where in sought[head] if form in stolen})


def sealed_fields(catalogue: Catalogue) -> list[Field]:
    """The fields a depositor may fill and the archive seals."""
    return [one for one in catalogue if one.sealed and not one.made_by_archive]


def spellings(value: str) -> Iterator[tuple[str, bytes]]:
    """The ways a careless archive would write a value down, each with its name."""
    raw = value.encode()
    forms = {"utf-8": raw, **{name: value.encode(name) for name in ("utf-16-le", "utf-16-be", "utf-32-le", "gb18030")}}
    for name, form in forms.items():
        yield name, form
        yield f"{name} in hex", form.hex().encode()
        yield f"{name} in HEX", form.hex().upper().encode()
        # In base64 a value shows in one of three alignments; its inside is the same whatever stands around it.
        for shift in range(3):
            inside = slice(4, (len(form) + shift) // 3 * 4)
            yield f"{name} in base64", base64.b64encode(b"\0" * shift + form)[inside]
            yield f"{name} in base64url", base64.urlsafe_b64encode(b"\0" * shift + form)[inside]
    yield "escaped in JSON", json.dumps(value)[1:-1].encode()
    yield "escaped in Python", value.encode("unicode_escape")
    yield "percent-encoded", quote(value).encode()
    yield "backwards", value[::-1].encode()
    digits = "".join(character for character in value if character.isdigit())
    if len(digits) >= 11:  # fewer turn up by chance
        yield "digits", digits.encode()
        yield "digits backwards", digits[::-1].encode()
    if digits == value:
        for order in ("big", "little"):
            yield f"a number, {order} end first", int(value).to_bytes(8, "big" if order == "big" else "little")
    for normal in {
        value,
        normalize("NFKC", value),
        normalize("NFKC", value).casefold(),
        normalize("NFKC", value).upper(),
        digits,
        f'"{value}"',
    }:
        if len(normal) < 6:
            continue
        for name in _DIGESTS:
            digest = hashlib.new(name, normal.encode()).digest()
            yield name, digest[:16]
            yield f"{name} in hex", digest.hex()[:32].encode()
            yield f"{name} in HEX", digest.hex()[:32].upper().encode()
            yield f"{name} in base64", base64.b64encode(digest)[:20]
            yield f"{name} in base64url", base64.urlsafe_b64encode(digest)[:20]
