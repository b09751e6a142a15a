from __future__ import annotations

import pickle

import pytest

from tlog import errors


def family(kind: type[errors.TlogError]) -> set[type[errors.TlogError]]:
    return {kind}.union(*map(family, kind.__subclasses__()))


def own_family() -> set[type[errors.TlogError]]:
    # Other rooms have errors of this family too; which are loaded depends on what ran before.
    return {kind for kind in family(errors.TlogError) if kind.__module__ == errors.__name__}


def test_the_codes_are_those_that_others_rely_on() -> None:
    assert {kind.code for kind in own_family()} == {
        "tlog-error",
        "malformed",
        "signature-invalid",
        "no-known-signature",
        "origin-mismatch",
        "range-invalid",
        "inclusion-failed",
        "consistency-failed",
        "rolled-back",
        "root-mismatch",
        "file-missing",
        "file-unreadable",
        "file-differs",
        "file-beyond-checkpoint",
    }


KINDS = sorted(own_family(), key=lambda kind: kind.code)


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_speaks_chinese_first_and_english_beside_it(kind: type[errors.TlogError]) -> None:
    chinese, _, english = kind.text.partition(" / ")
    assert any("\u4e00" <= character <= "\u9fff" for character in chinese)
    assert english.isascii()


def test_an_error_survives_the_way_from_a_worker_process() -> None:
    error: errors.TlogError = pickle.loads(pickle.dumps(errors.FileMissing(path="tile/0/000")))
    assert (error.code, error.evidence) == ("file-missing", {"path": "tile/0/000"})
    assert str(error) == "缺少文件：tile/0/000 / file is missing: tile/0/000"
