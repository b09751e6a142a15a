"""Laws of the line cutter: whatever the blocks, the same lines, in bounded memory."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from foundation.errors import InvalidInput
from service.http.lines import Line, LineCutter

MOST = 40
_bodies = st.lists(st.sampled_from([b"", b"  ", b'{"a":1}', b"{" + b"x" * 60 + b"}", b'{"b":[1,2]}\r', b"nonsense"])).map(b"\n".join)
_end = st.sampled_from([b"", b"\n", b'\n{"cut":', b'\n{"whole":1}'])


def _cut(body: bytes, places: list[int]) -> list[Line]:
    cutter = LineCutter(MOST)
    lines: list[Line] = []
    for start, end in pairwise([0, *sorted(min(place, len(body)) for place in places), len(body)]):
        lines.extend(cutter.feed(body[start:end]))
        assert sum(map(len, cutter._parts)) <= MOST
    lines.extend(cutter.end())
    return lines


def _rules(line: Line) -> object:
    return line.content if isinstance(line.content, bytes) else [fault.rule for fault in line.content.faults]


@given(_bodies, _end, st.lists(st.integers(min_value=0, max_value=400), max_size=12))
def test_lines_are_the_same_however_the_stream_was_cut_into_blocks(body: bytes, end: bytes, places: list[int]) -> None:
    whole = _cut(body + end, [])
    cut = _cut(body + end, places)
    assert [(line.number, _rules(line)) for line in cut] == [(line.number, _rules(line)) for line in whole]


@given(_bodies)
def test_every_line_with_something_in_it_is_given_once_under_its_number(body: bytes) -> None:
    given_lines = _cut(body + b"\n", [])
    wanted = [(number, text) for number, text in enumerate(body.split(b"\n"), 1) if text.strip()]
    assert [line.number for line in given_lines] == [number for number, _ in wanted]
    for line, (_, text) in zip(given_lines, wanted, strict=True):
        assert line.content == text if len(text) <= MOST else isinstance(line.content, InvalidInput)


def test_a_line_that_is_too_long_is_its_own_fault_and_the_next_one_is_whole() -> None:
    lines = _cut(b"{" + b"x" * 500 + b'}\n{"a":1}\n', [10, 90, 300])
    assert [_rules(line) for line in lines] == [["too-large"], b'{"a":1}']


def test_a_line_cut_in_the_middle_says_so_and_a_whole_one_needs_no_newline() -> None:
    assert _rules(_cut(b'{"a":1}\n{"b":', [])[-1]) == ["cut-off"]
    assert _rules(_cut(b'{"a":1}\n{"b":2}', [])[-1]) == b'{"b":2}'
