from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.clock import MovableClock
from vault.blind import TAG_SIZE, BlindIndex, BlindKey
from vault.keyring import KeyRing
from vault.normalise import NORMALISERS, normalise_name
from vault.sealed import prefixed
from vault.suites import SM4

VALUES = st.text(st.sampled_from(" ·•・xXｘ＋+086１1测试"), max_size=14)
KEYS = {suite: BlindKey(1, suite, bytes(range(32))) for suite in (1, 2)}


class Fixed:
    def __init__(self, *keys: BlindKey) -> None:
        self.all = keys

    def blind_keys(self, fonds: str, field_class: str) -> tuple[BlindKey, ...]:
        assert fonds
        assert field_class
        return self.all


@pytest.mark.parametrize("suite", [1, 2])
@pytest.mark.parametrize("field_class", sorted(NORMALISERS))
@given(VALUES, VALUES)
def test_tags_are_equal_exactly_when_normalised_values_are(suite: int, field_class: str, first: str, second: str) -> None:
    index = BlindIndex(Fixed(KEYS[suite]), "F001")
    normal = NORMALISERS[field_class]
    one, other = index.tag(field_class, "a.path", first), index.tag(field_class, "a.path", second)
    assert (one == other) == (normal(first) == normal(second))
    assert (one is None) == (normal(first) == "")
    if one is not None:
        assert len(one.value) == TAG_SIZE
        assert index.search_tags(field_class, "a.path", first) == (one,)


def test_tags_differ_between_fonds_and_field_classes_and_are_no_bare_hash(ring: KeyRing) -> None:
    ring.add_fonds("F002")
    name = "测试甲"
    tags = [BlindIndex(ring, fonds).tag(field_class, "a.path", name) for fonds in ("F001", "F002") for field_class in ("name", "plain")]
    values = {tag.value for tag in tags if tag}
    assert len(values) == 4
    text = normalise_name(name).encode()
    assert not values & {getattr(hashlib, kind)(text).digest()[:16] for kind in ("md5", "sha1", "sha256")}


def test_two_generations_answer_while_a_new_index_is_built(ring: KeyRing, clock: MovableClock) -> None:
    index = BlindIndex(ring, "F001")
    old = index.tag("phone", "a.path", "10000001234")
    ring.new_generation("F001", "blind/phone", clock.now())
    new = index.tag("phone", "a.path", "10000001234")
    assert old is not None
    assert new is not None
    assert (old.generation, new.generation) == (1, 2)
    assert old.value != new.value
    assert index.search_tags("phone", "a.path", "+86 100 0000 1234") == (new, old)
    clock.advance(3600)
    ring.destroy_generation("F001", "blind/phone/1", clock.now())
    assert index.search_tags("phone", "a.path", "10000001234") == (new,)


def test_tags_made_together_are_those_made_one_by_one(ring: KeyRing) -> None:
    index = BlindIndex(ring, "F001")
    wanted = [("name", "a.path", "测试甲"), ("phone", "b.path", "100 0000 1234"), ("name", "c.path", "测试甲"), ("name", "a.path", " ")]
    assert index.tags(wanted) == [index.tag(*one) for one in wanted]
    assert index.tags(wanted)[-1] is None


def test_a_field_class_without_a_normal_form_is_refused(ring: KeyRing) -> None:
    with pytest.raises(ValueError):
        BlindIndex(ring, "F001").tag("birth_date", "a.path", "18991332")


def test_a_fonds_of_the_second_suite_tags_with_hmac_sm3(ring: KeyRing) -> None:
    ring.add_fonds("F003", SM4)
    tag = BlindIndex(ring, "F003").tag("name", "a.path", "测试甲")
    assert tag is not None
    secret = ring.key("F003", "blind/name/1").reveal()
    assert tag.value == SM4.mac(secret, prefixed(b"a.path") + "测试甲".encode())[:16]


def test_the_same_name_in_two_fields_has_two_tags_that_do_not_match(ring: KeyRing) -> None:
    index = BlindIndex(ring, "F001")
    petitioner, accused = (index.tag("name", path, "测试甲") for path in ("petitioners[].name", "involved_parties[].party_name"))
    assert petitioner is not None
    assert accused is not None
    assert petitioner.value != accused.value
