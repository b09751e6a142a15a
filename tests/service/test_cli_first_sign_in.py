"""A first sign-in at a real terminal, interrupted wherever it can be: nobody is ever stranded, and nothing secret is shown."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest

from foundation.clock import SystemClock
from house_rules import ROOT
from office.administrators import ADMINISTRATORS
from office.founding import found_office
from real_terminal import RealTerminal
from service.cli.demo_office import OFFICES
from service.cli.door import Door, Refused
from service.cli.founding import found
from service.cli.serving import Running, listen
from service.wiring import Settings, open_archive

OFFICE = OFFICES[1]
FONDS = OFFICE.fonds.code
OWN = "lantern over quiet 河 nine"
_KEY = re.compile(r"^ +((?:[A-Z2-7]{4} ){7}[A-Z2-7]{4})$", re.MULTILINE)
FIRST_PROMPT, NEW_PROMPT, AGAIN_PROMPT, CODE_PROMPT = (
    "初始口令（已改过的输入新口令）",
    "新口令 new secret",
    "再输一次",
    "应用显示的六位验证码",
)


@dataclass
class Newcomers:
    """A served archive and the first secrets of its three administrators, by login."""

    url: str
    first: dict[str, str]
    folder: Path

    def come(self, login: str) -> RealTerminal:
        """Begin a first sign-in, and wait until it asks."""
        words = ("first-sign-in", "--fonds", FONDS, "--login", login, "--url", self.url)
        values = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "COLUMNS": "300"}
        terminal = RealTerminal([sys.executable, "-m", "service.cli.main", *words], folder=self.folder, environment=values)
        terminal.wait_for(FIRST_PROMPT)
        return terminal

    def may_sign_in(self, login: str, secret: str, key: str) -> bool:
        """Whether the account can be used with secret and factor; the code is that of the next half minute."""
        with Door(self.url) as door:
            try:
                session = door.sign_in(FONDS, login, secret, pyotp.TOTP(key).at(SystemClock().now() + timedelta(seconds=30)))
            except Refused:
                return False
        return not session["must_change_secret"] and not session["must_enrol_factor"]


@pytest.fixture(scope="module")
def newcomers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomers]:
    folder = tmp_path_factory.mktemp("newcomers")
    home = folder / "var"
    with listen("127.0.0.1", 0) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        settings = Settings(home=home, key_ring_credential=home / "keys" / "credential", public_url=url)
        found(settings, "archive.example", quiet=True)
        house = open_archive(settings)
        founded = found_office(house.staff, replace(OFFICE.fonds, superior=None), OFFICE.first)
        running = Running(house, listening)
        try:
            yield Newcomers(url, {told.login: told.secret for told in (founded.secrets[role] for role in ADMINISTRATORS)}, folder)
        finally:
            running.stop()


def _choose(terminal: RealTerminal, first: str) -> str:
    """Change the first secret; returns the authenticator key that is shown then."""
    terminal.type(first)
    terminal.wait_for(NEW_PROMPT)
    terminal.type(OWN)
    terminal.wait_for(AGAIN_PROMPT)
    terminal.type(OWN)
    terminal.wait_for("口令已修改")
    return _shown_key(terminal)


def _shown_key(terminal: RealTerminal) -> str:
    found = _KEY.search(terminal.wait_for(CODE_PROMPT))
    assert found is not None, terminal.shown
    return found[1].replace(" ", "")


def _code(key: str) -> str:
    return pyotp.TOTP(key).at(SystemClock().now())


def _wrong(key: str) -> str:
    return f"{(int(_code(key)) + 1) % 1_000_000:06d}"


def test_an_interrupted_first_sign_in_goes_on_with_the_new_secret(newcomers: Newcomers) -> None:
    login, first = next(iter(newcomers.first.items()))
    cut = newcomers.come(login)
    cut.type(first)
    cut.wait_for(NEW_PROMPT)
    cut.interrupt()
    assert cut.ended() == 130
    assert "初始口令仍然有效" in cut.shown

    cut = newcomers.come(login)
    old_key = _choose(cut, first)
    assert "issuer=%E4%BF%A1%E8%AE%BF%E6%A1%A3%E6%A1%88%E5%BA%93%20archive.example" in cut.shown  # 信访档案库, no address
    assert f":{login}%40{FONDS}?" in cut.shown
    cut.interrupt()
    assert cut.ended() == 130
    assert "新口令已经生效，动态验证码尚未绑定" in cut.shown
    assert "run this again with the new secret" in cut.shown

    again = newcomers.come(login)
    again.type(OWN)
    key = _shown_key(again)
    assert key != old_key
    again.type(_wrong(key))
    again.wait_for("验证码不对")
    again.wait_for(CODE_PROMPT)
    again.type(_code(key))
    again.wait_for("完成，可以登录了")
    assert again.ended() == 0
    assert newcomers.may_sign_in(login, OWN, key)
    for secret in (first, OWN):
        assert secret not in cut.shown + again.shown


def test_a_first_sign_in_that_was_killed_is_taken_up_again(newcomers: Newcomers) -> None:
    login, first = list(newcomers.first.items())[1]
    cut = newcomers.come(login)
    _choose(cut, first)
    cut.kill()
    again = newcomers.come(login)
    again.type(first)  # the old one is void, and the prompt says what else to type
    again.wait_for("未能登录")
    again.wait_for(FIRST_PROMPT)
    again.type(OWN)
    key = _shown_key(again)
    code = _code(key)
    again.type(code)
    assert again.ended() == 0
    assert newcomers.may_sign_in(login, OWN, key)


def test_a_secret_changed_before_any_factor_was_begun_is_enough_to_go_on(newcomers: Newcomers) -> None:
    login, first = list(newcomers.first.items())[2]
    with Door(newcomers.url) as door:
        door.sign_in(FONDS, login, first)
        door.change_secret(first, OWN)
    terminal = newcomers.come(login)
    terminal.type(OWN)
    key = _shown_key(terminal)
    terminal.type(_code(key))
    assert terminal.ended() == 0
    assert newcomers.may_sign_in(login, OWN, key)
    done = newcomers.come(login)
    done.type(OWN)
    done.wait_for("若验证码早已绑定，此账号已可使用")
    done.interrupt()
    assert done.ended() == 130
    assert "本次没有改动任何内容" in done.shown
    assert "初始口令仍然有效" not in done.shown
