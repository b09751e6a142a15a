"""Ways to change an answer with proofs: the parsed answer of `tests/audit/test_index_check.py`, to 2,700 entries in four segments."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

from foundation.ids import new_id
from signed_log import leaf, mth

SIZE = 2700
Given = dict[str, Any]


def b64(data: bytes) -> str:
    return b64encode(data).decode()


def drop_last_entry(given: Given) -> None:
    given["entries"].pop()


def drop_an_entry_everywhere(given: Given) -> None:
    given["entries"].pop(0)
    given["cover"][0]["found"]["entries"].pop(0)


def add_an_entry_everywhere(given: Given) -> None:
    given["cover"][0]["found"]["entries"].insert(1, 31)
    given["entries"].insert(1, given["entries"][0] | {"index": 31})


def put_an_entry_twice(given: Given) -> None:
    given["cover"][0]["found"]["entries"].insert(0, 30)
    given["entries"].insert(0, given["entries"][0])


def turn_the_entries_round(given: Given) -> None:
    given["cover"][0]["found"]["entries"].reverse()
    given["entries"][:5] = given["entries"][:5][::-1]


def exchange_two_bodies(given: Given) -> None:
    one, other = given["entries"][:2]
    one["body"], other["body"] = other["body"], one["body"]


def exchange_two_places(given: Given) -> None:
    one, other = given["entries"][:2]
    one["index"], other["index"] = other["index"], one["index"]


def put_another_body(given: Given) -> None:
    entry = given["entries"][0]
    entry["body"] = b64(b64decode(entry["body"]).replace(b"permit", b"refuse"))


def put_another_body_with_its_leaf(given: Given) -> None:
    put_another_body(given)
    given["entries"][0]["leaf"] = b64(leaf(b64decode(given["entries"][0]["body"])))


def move_a_boundary(given: Given) -> None:
    given["cover"][1]["to"] = given["cover"][2]["from"] = 2305


def leave_a_segment_out(given: Given) -> None:
    del given["cover"][1]
    given["entries"] = [one for one in given["entries"] if not 2048 <= one["index"] < 2304]


def leave_the_rest_out(given: Given) -> None:
    given["cover"].pop()


def repeat_a_segment(given: Given) -> None:
    given["cover"].append(given["cover"][-1])


def exchange_two_segments(given: Given) -> None:
    given["cover"][1], given["cover"][2] = given["cover"][2], given["cover"][1]


def claim_fewer_leaves(given: Given) -> None:
    given["cover"][0]["leaves"] -= 1


def claim_another_root(given: Given) -> None:
    given["cover"][0]["root"] = b64(b"\0" * 32)


def claim_a_segment_without_leaves(given: Given) -> None:
    given["cover"][0] |= {"leaves": 0, "root": b64(mth([]))}
    del given["cover"][0]["found"]
    given["cover"][0]["absent"] = {}
    given["entries"] = [one for one in given["entries"] if one["index"] >= 2048]


def found_and_absent(given: Given) -> None:
    given["cover"][0]["absent"] = {}


def neither_found_nor_absent(given: Given) -> None:
    del given["cover"][0]["found"]
    given["entries"] = [one for one in given["entries"] if one["index"] >= 2048]


def claim_a_longer_log(given: Given) -> None:
    given["size"] = SIZE + 1
    given["cover"][-1]["to"] = SIZE + 1


def claim_a_shorter_log(given: Given) -> None:
    given["size"] = 2560
    given["cover"].pop()


def ask_about_another_case(given: Given) -> None:
    given["id"] = new_id()


def ask_about_another_kind(given: Given) -> None:
    given["kind"] = "person"


def ask_about_a_kind_without_index(given: Given) -> None:
    given["kind"] = "unit"


def say_another_log(given: Given) -> None:
    given["log"] = "archive.invalid/f-2"


def say_another_version(given: Given) -> None:
    given["v"] = 2


def add_a_member(given: Given) -> None:
    given["signed_by"] = "the archive"


def point_at_another_commitment(given: Given) -> None:
    given["commitment"]["index"] -= 1


def commit_by_an_entry_of_another_kind(given: Given) -> None:
    entry = given["entries"][0]
    given["commitment"] = {"index": entry["index"], "entry": entry["body"], "path": entry["path"]}


def commit_by_a_body_of_ones_own(given: Given) -> None:
    body = b64decode(given["commitment"]["entry"])
    at = body.index(b'"root":"') + 8
    given["commitment"]["entry"] = b64(body[:at] + b"0" * 64 + body[at + 64 :])


def drop_a_hash_of_a_path(given: Given) -> None:
    given["cover"][0]["found"]["path"].pop()


def drop_a_hash_of_an_entry(given: Given) -> None:
    given["entries"][0]["path"].pop()


def move_a_leaf(given: Given) -> None:
    given["cover"][0]["found"]["leaf"] += 1


def spell_a_hash_otherwise(given: Given) -> None:
    root = given["cover"][0]["root"]
    given["cover"][0]["root"] = root[:-2] + chr(ord(root[-2]) + 1) + "="


def write_a_number_as_a_text(given: Given) -> None:
    given["cover"][0]["found"]["entries"][0] = "30"


def write_a_truth_as_a_number(given: Given) -> None:
    given["cover"][0]["found"]["leaf"] = True


TAMPERINGS = [
    drop_last_entry,
    drop_an_entry_everywhere,
    add_an_entry_everywhere,
    put_an_entry_twice,
    turn_the_entries_round,
    exchange_two_bodies,
    exchange_two_places,
    put_another_body,
    put_another_body_with_its_leaf,
    move_a_boundary,
    leave_a_segment_out,
    leave_the_rest_out,
    repeat_a_segment,
    exchange_two_segments,
    claim_fewer_leaves,
    claim_another_root,
    claim_a_segment_without_leaves,
    found_and_absent,
    neither_found_nor_absent,
    claim_a_longer_log,
    claim_a_shorter_log,
    ask_about_another_case,
    ask_about_another_kind,
    ask_about_a_kind_without_index,
    say_another_log,
    say_another_version,
    add_a_member,
    point_at_another_commitment,
    commit_by_an_entry_of_another_kind,
    commit_by_a_body_of_ones_own,
    drop_a_hash_of_a_path,
    drop_a_hash_of_an_entry,
    move_a_leaf,
    spell_a_hash_otherwise,
    write_a_number_as_a_text,
    write_a_truth_as_a_number,
]
