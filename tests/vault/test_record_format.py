"""The vectors printed in docs/formats/sealed-record.md are what the code does, and the page alone suffices to open a record."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap

from vault.casekeys import DataKey, MaskKey
from vault.details import Detail, open_detail, seal_detail
from vault.sealed import Context
from vault.sealing import open_fields, open_masks, seal_masks, seal_record
from vault.suites import suite_named
from vault.wraps import Kek, WrapRow, unwrap_data_key, wrap

PAGE = Path(__file__).resolve().parents[2] / "docs" / "formats" / "sealed-record.md"
VECTORS: list[dict[str, Any]] = json.loads(PAGE.read_text().split("```json\n")[1].split("```")[0])


class OneKek:
    def __init__(self, kek: Kek) -> None:
        self.only = kek

    def kek(self, fonds: str, kek_id: str) -> Kek:
        assert (fonds, kek_id) == ("F001", self.only.id)
        return self.only


def values_of(vector: dict[str, Any]) -> dict[tuple[str, str], bytes | None]:
    return {(v["path"], v["item_id"]): None if v["value"] is None else v["value"].encode() for v in vector["values"]}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["suite"])
def test_the_printed_vectors_are_reproduced_byte_by_byte(vector: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "urandom", lambda size: bytes((0xA0 + index) % 256 for index in range(size)))
    suite = suite_named(vector["suite"])
    place = dict(vector["context"])
    generation = place.pop("generation")
    context = Context(**place)
    data = DataKey(bytes.fromhex(vector["data_key"]), suite, generation)
    masks = MaskKey(bytes.fromhex(vector["mask_key"]), suite, generation)
    kek = Kek(vector["kek_id"], suite, bytes.fromhex(vector["kek"]))
    values = values_of(vector)
    container = bytes.fromhex(vector["container"])
    assert data.field_key("appeal").reveal().hex() == vector["field_key_of_appeal"]
    assert seal_record(data, context, values) == container
    assert open_fields(container, data, context) == values

    sealed_masks = bytes.fromhex(vector["masks"]["sealed"])
    assert seal_masks(masks, context, vector["masks"]["document"].encode()) == sealed_masks
    assert open_masks(sealed_masks, masks, context).decode() == vector["masks"]["document"]

    printed = vector["detail"]
    detail = Detail(bytes.fromhex(printed["commitment"]), bytes.fromhex(printed["sealed"]), printed["key_ref"])
    assert seal_detail(data, context.fonds, printed["name"], printed["text"], case_id=context.case_id) == detail
    assert open_detail(data, context.fonds, printed["name"], detail, case_id=context.case_id) == printed["text"]

    row = wrap(kek, context.fonds, context.case_id, data)
    assert row.wrapped.hex() == vector["wrapped_data_key"]
    assert unwrap_data_key(OneKek(kek), row).reveal() == data.reveal()
    assert row == WrapRow(context.fonds, context.case_id, generation, "case", kek.id, row.wrapped)


def test_a_record_opens_with_the_page_and_a_crypto_library_alone() -> None:
    vector = next(vector for vector in VECTORS if vector["suite"] == "aes-256-gcm")
    context, blob = vector["context"], bytes.fromhex(vector["container"])

    def lp(text: str | bytes) -> bytes:
        data = text.encode() if isinstance(text, str) else text
        return struct.pack(">H", len(data)) + data

    def expand(key: bytes, info: bytes) -> bytes:
        return HKDFExpand(SHA256(), 32, info).derive(key)

    # The wrap.
    wrapped = bytes.fromhex(vector["wrapped_data_key"])
    assert wrapped[:3] == b"\x01\x01\x01"
    binding = struct.pack(">IB", context["generation"], 1) + lp(context["fonds"]) + lp(context["case_id"]) + lp("case")
    data_key = aes_key_unwrap(expand(bytes.fromhex(vector["kek"]), b"petition-archive/wrap/v1\0" + binding), wrapped[3:])
    assert data_key.hex() == vector["data_key"]

    # The directory.
    assert blob[:2] == b"\x01\x01"
    count, names_size = struct.unpack(">HI", blob[2:8])
    names = blob[8 : 8 + names_size].decode().split("\n")
    entries_end = 8 + names_size + 8 * count
    binding = hashlib.sha256(blob[:entries_end]).digest()

    # The values.
    found, at = {}, entries_end
    for number in range(count):
        path, item, size = struct.unpack(">HHI", blob[8 + names_size + 8 * number :][:8])
        sealed, at = blob[at : at + size], at + size
        associated = (
            bytes((1, 1, 1))
            + struct.pack(">II", context["generation"], context["case_version"])
            + lp(context["schema_version"])
            + lp(context["fonds"])
            + lp(context["case_id"])
            + lp(binding)
            + lp(names[path])
            + lp(names[item])
        )
        if names[path] == "appeal":
            assert associated.hex() == vector["associated_data_of_appeal"]
        key = expand(data_key, b"petition-archive/field/v1\0\x01" + names[path].encode())
        plaintext = AESGCM(key).decrypt(sealed[2:14], sealed[14:], associated)
        length = struct.unpack(">I", plaintext[:4])[0]
        found[names[path], names[item]] = plaintext[4 : 3 + length] if length else None
        assert not any(plaintext[3 + length if length else 4 :])
    assert at == len(blob)
    assert found == values_of(vector)
