from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signed_log import SigningKey
from tlog.checkpoint import Checkpoint, open_checkpoint
from tlog.errors import Malformed, NoKnownSignature, OriginMismatch, SignatureInvalid
from tlog.merkle import EMPTY_ROOT
from tlog.note import VerifierKey

# The example of c2sp.org/tlog-checkpoint.
SPEC_TEXT = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
ROOT = b64encode(b"r" * 32).decode()


def test_the_example_of_the_specification_is_read_and_written() -> None:
    checkpoint = Checkpoint.parse(SPEC_TEXT)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.root.hex() == "0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62"
    assert checkpoint.text() == SPEC_TEXT


@given(st.integers(1, 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_checkpoints_come_back_as_they_were_written(size: int, root: bytes) -> None:
    checkpoint = Checkpoint("archive.example/全宗-1", size, root)
    assert Checkpoint.parse(checkpoint.text()) == checkpoint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "o\n1\n",
        f"o\n1\n{ROOT}",
        f"o\n1\n{ROOT}\nextension\n",
        f"o\n1\n{ROOT}\n\n",
        f"\n1\n{ROOT}\n",
        f"o o\n1\n{ROOT}\n",
        f"o+o\n1\n{ROOT}\n",
        f"o\u202e\n1\n{ROOT}\n",
        f"o\n01\n{ROOT}\n",
        f"o\n+1\n{ROOT}\n",
        f"o\n-1\n{ROOT}\n",
        f"o\n 1\n{ROOT}\n",
        f"o\n1_0\n{ROOT}\n",
        f"o\n١\n{ROOT}\n",
        f"o\n1e3\n{ROOT}\n",
        f"o\n{2**63}\n{ROOT}\n",
        f"o\n{'9' * 5000}\n{ROOT}\n",
        f"o\n0\n{ROOT}\n",
        f"o\n1\n{ROOT[:-1]}\n",
        f"o\n1\n{b64encode(b'r' * 31).decode()}\n",
        f"o\n1\n{b64encode(b'r' * 33).decode()}\n",
        f"o\r\n1\n{ROOT}\n",
    ],
)
def test_a_checkpoint_is_read_strictly(text: str) -> None:
    with pytest.raises(Malformed):
        Checkpoint.parse(text)


@pytest.mark.parametrize(("origin", "size", "root"), [("o", -1, b"r" * 32), ("o", 2**63, b"r" * 32), ("o\n", 1, b"r" * 32), ("o", 1, b"r")])
def test_no_checkpoint_is_made_that_could_not_be_read(origin: str, size: int, root: bytes) -> None:
    with pytest.raises(Malformed):
        Checkpoint(origin, size, root)


def test_an_empty_log_has_a_checkpoint() -> None:
    assert Checkpoint.parse("o\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n").root == EMPTY_ROOT


def test_a_checkpoint_is_opened_only_for_its_key_and_its_origin(signer: SigningKey, key: VerifierKey) -> None:
    data = signer.checkpoint([b"l" * 32])
    assert open_checkpoint(data, key) == Checkpoint(signer.name, 1, b"l" * 32)
    with pytest.raises(NoKnownSignature):
        open_checkpoint(data, VerifierKey.parse(SigningKey.from_seed(signer.name, 8).vkey()))
    with pytest.raises(SignatureInvalid):
        open_checkpoint(data.replace(b"\n1\n", b"\n2\n"), key)
    foreign = signer.checkpoint([b"l" * 32], origin="archive.example/fonds-2")
    with pytest.raises(OriginMismatch) as caught:
        open_checkpoint(foreign, key)
    assert caught.value.evidence == {"expected": "archive.example/fonds-1", "found": "archive.example/fonds-2"}
    assert open_checkpoint(foreign, key, "archive.example/fonds-2").size == 1


def test_a_signed_text_that_is_no_checkpoint_is_refused(signer: SigningKey, key: VerifierKey) -> None:
    with pytest.raises(Malformed):
        open_checkpoint(signer.note("I owe you nothing.\n"), key)
