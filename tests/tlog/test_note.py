from __future__ import annotations

import json
from base64 import b64decode, b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signed_log import SigningKey
from tlog.errors import Malformed, NoKnownSignature, SignatureInvalid
from tlog.note import (
    COSIGNATURE_V1,
    ED25519,
    VerifierKey,
    format_note,
    is_key_name,
    key_id,
    note_text,
    parse_note,
    signature_line,
    verify_note,
)

# The example of c2sp.org/signed-note.
SPEC_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SPEC_NOTE = """This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
""".encode()

# The example of the Go package golang.org/x/mod/sumdb/note.
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = """If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
""".encode()

# A checkpoint of a public Certificate Transparency log: signed by the log in two forms, cosigned by four witnesses.
PUBLIC_LOG_VKEY = "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f"
PUBLIC_WITNESS_VKEY = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"
PUBLIC_NOTE = """arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

— arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=
— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
— transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==
— witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==
— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
— witness.stagemole.eu Z/euoAAAAABqEiEgw0i+7g2ENfDAWHmtRzCfKTHSDwYDJA2NmKeGi9Y8FtEyOUvVr+AJmIY/2TUFucgKi7lI7cUiOvKFYe/TmN9DAg==
""".encode()  # noqa: E501  # as published

ANN, BOB = SigningKey.from_seed("ann.example", 1), SigningKey.from_seed("bob.example", 2)
TEXT = "one\n\ntwo\n"


def of(signing: SigningKey, kind: int = ED25519) -> VerifierKey:
    return VerifierKey.parse(signing.vkey(kind))


@pytest.mark.parametrize(("vkey", "note"), [(SPEC_VKEY, SPEC_NOTE), (GO_VKEY, GO_NOTE), (PUBLIC_LOG_VKEY, PUBLIC_NOTE)])
def test_notes_signed_by_others_verify(vkey: str, note: bytes) -> None:
    key = VerifierKey.parse(vkey)
    assert str(key) == vkey
    assert verify_note(parse_note(note), [key]) == ((key, None),)


def test_a_public_witness_s_cosignature_verifies_and_tells_its_time() -> None:
    witness = VerifierKey.parse(PUBLIC_WITNESS_VKEY)
    assert witness.type_byte == COSIGNATURE_V1
    assert verify_note(parse_note(PUBLIC_NOTE), [witness]) == ((witness, 0x6A122120),)


@pytest.mark.parametrize("vkey", [PUBLIC_LOG_VKEY, PUBLIC_WITNESS_VKEY])
def test_a_public_checkpoint_with_another_size_is_refused(vkey: str) -> None:
    changed = PUBLIC_NOTE.replace(b"1432088532", b"1432088533")
    with pytest.raises(SignatureInvalid):
        verify_note(parse_note(changed), [VerifierKey.parse(vkey)])


def test_the_key_id_is_that_of_the_specification() -> None:
    key = VerifierKey.parse(SPEC_VKEY)
    assert key.id.hex() == "530d903a"
    assert key_id("example.com/foo", ED25519, key.public_key) == key.id
    assert parse_note(SPEC_NOTE).signatures[0][:2] == ("example.com/foo", key.id)


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "example.com/foo",
        "example.com/foo+530d903a",
        "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k\n",
        "example.com/foo+530d903a+AukyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+",
        "example com+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "bad\udcff+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "rekor.example+12345678+THIS_IS_NOT_BASE64!",
    ],
)
def test_a_verifier_key_is_read_strictly(vkey: str) -> None:
    with pytest.raises(Malformed):
        VerifierKey.parse(vkey)


def test_a_verifier_key_s_base64_may_hold_a_plus() -> None:
    vkey = "TEST+7997405c+AQcC+FTVKf0jlTdHDY3rbevmnKxxPjigCXlVtGe6RIr6"
    assert str(VerifierKey.parse(vkey)) == vkey


def test_the_text_may_hold_empty_lines_and_the_last_one_separates() -> None:
    note = parse_note(ANN.note(TEXT))
    assert note.text == TEXT
    assert verify_note(note, [of(ANN)]) == ((of(ANN), None),)


def test_lines_of_unknown_keys_are_ignored() -> None:
    unknown_type = signature_line("ann.example", b"\xff\xff\xff\xff", b"sm2 signature of any length")
    same_name_other_id = signature_line(ANN.name, b"\0\0\0\0", b"x" * 64)
    same_id_other_name = signature_line("eve.example", ANN.key_id(), b"x" * 64)
    note = parse_note(format_note(TEXT, [unknown_type, same_name_other_id, ANN.line(TEXT), same_id_other_name, BOB.line(TEXT)]))
    assert verify_note(note, [of(ANN)]) == ((of(ANN), None),)
    assert [key for key, _ in verify_note(note, [of(BOB), of(ANN)])] == [of(ANN), of(BOB)]


def test_one_bad_signature_by_a_known_key_rejects_the_note_whatever_else_holds() -> None:
    bad = signature_line(BOB.name, BOB.key_id(), ANN.private.sign(TEXT.encode()))
    for lines in ([ANN.line(TEXT), bad], [bad, ANN.line(TEXT)], [BOB.line(TEXT), bad]):
        with pytest.raises(SignatureInvalid) as caught:
            verify_note(parse_note(format_note(TEXT, lines)), [of(ANN), of(BOB)])
        assert caught.value.evidence["key"] == BOB.vkey()


def test_a_note_without_a_known_signature_is_refused() -> None:
    with pytest.raises(NoKnownSignature):
        verify_note(parse_note(ANN.note(TEXT)), [of(BOB)])
    with pytest.raises(NoKnownSignature):
        verify_note(parse_note(ANN.note(TEXT)), [])


@given(st.data())
def test_any_changed_byte_of_a_note_s_text_is_refused(data: st.DataObject) -> None:
    note = bytearray(ANN.note(TEXT))
    at = data.draw(st.integers(0, len(TEXT) - 1))
    note[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises((SignatureInvalid, NoKnownSignature, Malformed)):
        verify_note(parse_note(bytes(note)), [of(ANN)])


def test_cosignatures_verify_under_their_own_key_type_only() -> None:
    note = parse_note(format_note(TEXT, [BOB.cosignature_line(TEXT, 1_700_000_000)]))
    assert verify_note(note, [of(BOB, COSIGNATURE_V1)]) == ((of(BOB, COSIGNATURE_V1), 1_700_000_000),)
    with pytest.raises(NoKnownSignature):
        verify_note(note, [of(BOB)])


def test_a_cosignature_s_time_is_signed() -> None:
    value = BOB.private.sign(f"cosignature/v1\ntime 1700000000\n{TEXT}".encode())
    for claimed in ((1_700_000_001).to_bytes(8, "big") + value, value, b"", (1).to_bytes(8, "big")):
        line = signature_line(BOB.name, BOB.key_id(4), claimed or b"x")
        with pytest.raises(SignatureInvalid):
            verify_note(parse_note(format_note(TEXT, [line])), [of(BOB, COSIGNATURE_V1)])


def test_a_cosignature_s_time_stays_below_two_to_the_63() -> None:
    assert verify_note(parse_note(format_note(TEXT, [BOB.cosignature_line(TEXT, 2**63 - 1)])), [of(BOB, 4)])
    with pytest.raises(SignatureInvalid):
        verify_note(parse_note(format_note(TEXT, [BOB.cosignature_line(TEXT, 2**63)])), [of(BOB, 4)])


GOOD_LINE = ANN.line(TEXT)
ENCODED = GOOD_LINE.split(" ")[2].strip()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        TEXT.encode(),
        f"{TEXT}\n".encode(),
        f"{TEXT}{GOOD_LINE}".encode().replace(b"\n\n", b"\n"),
        f"{TEXT}\n{GOOD_LINE[:-1]}".encode(),
        f"{TEXT}\n{GOOD_LINE}\n".encode(),
        f"{TEXT}\r\n\n{GOOD_LINE}".encode(),
        f"{TEXT}\x00\n\n{GOOD_LINE}".encode(),
        f"{TEXT}\n{GOOD_LINE}".encode().replace(b"one", b"on\xff"),
        f"{TEXT}\n{GOOD_LINE}".encode().replace(b"one", b"\xed\xa0\x80"),
        f"{TEXT}\n-{GOOD_LINE[1:]}".encode(),
        f"{TEXT}\n—{GOOD_LINE[2:]}".encode(),
        f"{TEXT}\n— ann.example\n".encode(),
        f"{TEXT}\n— ann+example {ENCODED}\n".encode(),
        f"{TEXT}\n— ann\u00a0example {ENCODED}\n".encode(),
        f"{TEXT}\n—  {ENCODED}\n".encode(),
        f"{TEXT}\n— ann.example {ENCODED} \n".encode(),
        f"{TEXT}\n— ann.example {ENCODED.rstrip('=')}\n".encode(),
        f"{TEXT}\n— ann.example !!!!\n".encode(),
        f"{TEXT}\n— ann.example AAAAAA==\n".encode(),
        f"{TEXT}\n— ann.example ÄAAAAAA=\n".encode(),
        f"{TEXT}\n{GOOD_LINE * 101}".encode(),
        b"x" * 1_000_000 + f"\n\n{GOOD_LINE}".encode(),
    ],
)
def test_a_note_is_read_strictly(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_note(data)


def test_base64_has_one_spelling() -> None:
    spare_bits = SPEC_NOTE.replace(b"yaQM=", b"yaQN=")
    assert b64decode(spare_bits.split()[-1]) == b64decode(SPEC_NOTE.split()[-1])
    with pytest.raises(Malformed):
        parse_note(spare_bits)


names = st.text(st.characters(categories=["L", "M", "N", "P", "S"], exclude_characters="+"), min_size=1).filter(is_key_name)
texts = st.text(st.characters(exclude_categories=["Cc", "Cs"], include_characters="\n")).map(lambda text: text + "\n")


@given(texts, st.lists(st.tuples(names, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=90)), min_size=1, max_size=20))
def test_notes_come_back_as_they_were_written(text: str, signatures: list[tuple[str, bytes, bytes]]) -> None:
    data = format_note(text, [signature_line(*signature) for signature in signatures])
    note = parse_note(data)
    assert (note.text, list(note.signatures)) == (text, signatures)


@given(st.binary(max_size=300))
def test_no_bytes_make_the_parser_fail_otherwise_than_by_name(data: bytes) -> None:
    try:
        note = parse_note(data)
    except Malformed:
        return
    assert format_note(note.text, [signature_line(*signature) for signature in note.signatures]) == data


@pytest.mark.parametrize("text", ["", "no newline", "tab\t\n", "carriage\r\n", "lone \ud800\n"])
def test_a_text_that_no_note_can_hold_is_not_given_out_for_signing(text: str) -> None:
    with pytest.raises(Malformed):
        note_text(text)


@pytest.mark.parametrize(("name", "id_", "value"), [("a b", b"1234", b"x"), ("", b"1234", b"x"), ("a", b"123", b"x"), ("a", b"1234", b"")])
def test_a_signature_line_that_no_verifier_reads_is_not_written(name: str, id_: bytes, value: bytes) -> None:
    with pytest.raises(Malformed):
        signature_line(name, id_, value)


def test_ed25519_agrees_with_wycheproof(shared_data: Path) -> None:
    groups = json.loads((shared_data / "vectors/wycheproof_ed25519_test.json").read_text())["testGroups"]
    seen = {"valid": 0, "invalid": 0}
    for group in groups:
        key = VerifierKey("wycheproof.example", ED25519, bytes.fromhex(group["publicKey"]["pk"]))
        for vector in group["tests"]:
            message, value = bytes.fromhex(vector["msg"]), bytes.fromhex(vector["sig"])
            try:
                key.check(message, value)
                result = "valid"
            except SignatureInvalid:
                result = "invalid"
            assert result == vector["result"], vector
            seen[result] += 1
    assert seen == {"valid": 88, "invalid": 63}


def test_a_wrong_length_of_key_is_no_key() -> None:
    material = b64encode(b"\x01" + b"k" * 31).decode()
    with pytest.raises(Malformed):
        VerifierKey.parse(f"short.example+00000000+{material}")
