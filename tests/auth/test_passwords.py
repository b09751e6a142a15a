from __future__ import annotations

import re
import threading
import time
from dataclasses import replace

import pytest
from argon2 import extract_parameters
from argon2.low_level import Type
from hypothesis import given
from hypothesis import strategies as st

from auth.common_passwords import WORDS, is_common
from auth.errors import SecretRefused, SignInBusy
from auth.passwords import MOST_BYTES, Passwords, first_secret, is_possible, normalise
from auth_office import POLICY

CHEAP = Passwords(memory_kib=64, passes=1)


def rules_broken(secret: str, *context: str) -> set[str]:
    try:
        CHEAP.judge(secret, POLICY, context=context)
    except SecretRefused as refused:
        return {fault.rule for fault in refused.faults}
    return set()


def test_secrets_are_hashed_with_argon2id_at_64_mib_by_default() -> None:
    parameters = extract_parameters(Passwords().hash("a lantern over the river"))
    assert (parameters.type, parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (Type.ID, 65536, 3, 4)


def test_a_hash_verifies_its_own_secret_and_no_other() -> None:
    secret_hash = CHEAP.hash("a lantern over the river")
    assert CHEAP.verify(secret_hash, "a lantern over the river")
    assert not CHEAP.verify(secret_hash, "a lantern over the River")
    assert not CHEAP.verify(secret_hash, "")
    assert not CHEAP.verify("not a hash", "a lantern over the river")
    assert not CHEAP.verify(None, "a lantern over the river")


@pytest.mark.parametrize("secret", ["right", "wrong", "", "x" * 5000, "\ud800", "\0", "ﷺ" * 300])
@pytest.mark.parametrize("known", [True, False])
def test_every_check_computes_exactly_one_hash_whether_or_not_the_account_exists(secret: str, known: bool) -> None:
    passwords = Passwords(memory_kib=64, passes=1)
    secret_hash = passwords.hash("right") if known else None
    before = passwords.computed
    assert passwords.verify(secret_hash, secret) is (known and secret == "right")
    assert passwords.computed == before + 1


def test_an_unknown_account_takes_the_time_of_a_known_one() -> None:
    passwords = Passwords()
    secret_hash = passwords.hash("a lantern over the river")

    def quickest(stored: str | None) -> float:
        times = []
        for _ in range(5):
            started = time.perf_counter()
            passwords.verify(stored, "a wrong lantern")
            times.append(time.perf_counter() - started)
        return min(times)

    known, unknown = quickest(secret_hash), quickest(None)
    assert 0.5 < unknown / known < 2.0


def test_full_width_letters_of_an_input_method_are_the_same_secret() -> None:
    assert CHEAP.verify(CHEAP.hash("ｌａｎｔｅｒｎ　over 9 rivers"), "lantern over ９ rivers")


@given(st.text(min_size=1, max_size=60))
def test_normalising_twice_changes_nothing_and_never_decides_between_two_answers(secret: str) -> None:
    if is_possible(secret):
        assert normalise(normalise(secret)) == normalise(secret)


@pytest.mark.parametrize("least", ["krmtnvxqhzda", "河上有灯照着九条小木船呢", "48201759302841"])
def test_no_composition_is_asked_for(least: str) -> None:
    assert rules_broken(least) == set()


def test_eleven_characters_are_too_few_and_1025_bytes_too_many() -> None:
    assert rules_broken("krmtnvxqhzd") == {"too-short"}
    assert rules_broken("") == {"too-short"}
    assert rules_broken("z" + "krmtnvxqhzda" * 90) == {"too-long"}
    assert "too-long" not in rules_broken(("krmtnvxqhzda " * 90)[:MOST_BYTES])


@pytest.mark.parametrize(
    "secret",
    [
        "password1234", "P@ssw0rd2026!", "Xinfang@2026", "qwertyuiop12", "1qaz@WSX3edc", "aaaaaaaaaaaa", "abcabcabcabcabc", "123456789012",
        "woaini1314520", "admin123admin123", "zhongguo1949", "19900101zhangwei", "13800000000000", "999999189913321234", "iloveyou12345",
        "ｐａｓｓｗｏｒｄ１２３４", "letmeinletmein", "0987654321098", "asdfghjkl123!", "Welcome2026!!",
    ],
)  # fmt: skip
def test_common_secrets_are_refused_padded_joined_repeated_or_disguised(secret: str) -> None:
    assert rules_broken(secret) & {"common", "contains-context"}


@given(st.sampled_from(sorted(WORDS)), st.integers(0, 9999), st.sampled_from(["", "!", "@", "#", "!!"]))
def test_no_listed_word_becomes_good_by_a_number_behind_it(word: str, number: int, sign: str) -> None:
    assert is_common(f"{word}{number}{sign}")


@given(st.text(max_size=1200))
def test_judging_is_total_and_never_repeats_the_secret(secret: str) -> None:
    try:
        CHEAP.judge(secret, POLICY)
    except SecretRefused as refused:
        said = " ".join(fault.zh + fault.en + fault.rule + fault.path for fault in refused.faults) + str(refused)
        assert len(secret) < 12 or secret not in said


@pytest.mark.parametrize("inside", ["zhang.san", "办信科", "XF-01", "petition"])
def test_a_secret_may_not_hold_the_login_the_unit_or_the_systems_name(inside: str) -> None:
    assert rules_broken(f"lantern {inside.upper()} over nine", "zhang.san", "办信科", "XF-01") == {"contains-context"}


def test_control_characters_and_lone_surrogates_are_refused() -> None:
    for character in ("\0", "\n", "\x1b", "\ud800"):
        assert rules_broken(f"lantern over {character} river") == {"control-character"}


def test_the_last_secrets_do_not_come_back() -> None:
    earlier = [CHEAP.hash(f"lantern over river {n} krm") for n in range(5)]
    for n in range(5):
        with pytest.raises(SecretRefused) as caught:
            CHEAP.judge(f"lantern over river {n} krm", POLICY, earlier=earlier)
        assert [fault.rule for fault in caught.value.faults] == ["used-before"]
    CHEAP.judge("lantern over river 5 krm", POLICY, earlier=earlier)


def test_first_secrets_are_random_readable_and_good_enough_for_the_rules() -> None:
    made = {first_secret() for _ in range(200)}
    assert len(made) == 200
    assert all(re.fullmatch(r"(?:[a-hjkmnp-z2-9]{4}-){4}[a-hjkmnp-z2-9]{4}", secret) for secret in made)
    assert all(rules_broken(secret) == set() for secret in made)


def test_more_checks_than_slots_wait_and_then_are_told_so() -> None:
    passwords = Passwords(concurrency=1, wait_seconds=0.05, memory_kib=64, passes=1)
    with passwords._slot(), pytest.raises(SignInBusy):
        passwords.verify(None, "anything at all")


def test_never_more_computations_at_once_than_slots() -> None:
    passwords = Passwords(concurrency=2, memory_kib=64, passes=1)
    running, most = 0, 0
    guard = threading.Lock()

    def work() -> None:
        nonlocal running, most
        with passwords._slot():
            with guard:
                running += 1
                most = max(most, running)
            time.sleep(0.01)
            with guard:
                running -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 2


def test_a_longer_least_length_of_the_rulebook_is_kept() -> None:
    with pytest.raises(SecretRefused):
        CHEAP.judge("krmtnvxqhzda", replace(POLICY, password_min_length=16))
