"""The words of c2sp.org/tlog-witness, as its own examples have them and as both sides here write and read them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.witness.wire import AddCheckpoint, format_size, parse_size
from tlog.checkpoint import Checkpoint
from tlog.errors import Malformed
from tlog.note import parse_note

# The example request of the specification.
SPEC_BODY = """old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
""".encode()


def test_the_specification_s_own_request_is_read_and_written_as_it_stands() -> None:
    asked = AddCheckpoint.parse(SPEC_BODY)
    assert (asked.old_size, len(asked.proof), asked.proof[0][:2]) == (20852014, 4, b"\x3e\x54")
    assert Checkpoint.parse(parse_note(asked.note).text).size == 20852163
    assert asked.format() == SPEC_BODY


@given(st.integers(0, 2**63 - 1), st.lists(st.binary(min_size=32, max_size=32), max_size=63), st.binary(max_size=300))
def test_a_request_is_read_as_it_was_written(old: int, proof: list[bytes], note: bytes) -> None:
    asked = AddCheckpoint(old, tuple(proof), note)
    assert AddCheckpoint.parse(asked.format()) == asked


@given(st.binary(max_size=200))
def test_whatever_is_sent_is_a_request_or_malformed_and_nothing_else(body: bytes) -> None:
    for data in (body, b"old " + body, b"old 3\n" + body, SPEC_BODY[: len(body)] + body):
        with suppress(Malformed):
            assert AddCheckpoint.parse(data).format() == data


@pytest.mark.parametrize("size", [0, 1, 20852163, 2**63 - 1])
def test_a_size_is_told_as_a_decimal_and_a_newline(size: int) -> None:
    assert format_size(size) == f"{size}\n".encode()
    assert parse_size(format_size(size)) == size


@pytest.mark.parametrize(
    "body", [b"", b"\n", b"5", b"05\n", b"-1\n", b"+5\n", b" 5\n", b"5\n\n", b"5 \n", b"9223372036854775808\n", b"\xff\n", "٣\n".encode()]
)
def test_what_is_no_size_is_not_taken_for_one(body: bytes) -> None:
    with pytest.raises(Malformed):
        parse_size(body)
