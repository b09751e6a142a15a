"""What the tour knows as it goes along, and how it tells: numbered scenes, Chinese first, and what each has just proved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyotp
from rich.markup import escape
from rich.rule import Rule

from auth.passwords import first_secret
from foundation.clock import SystemClock
from petition_archive_client.answers import Receipt
from petition_archive_client.assertion import ClientKey
from service.cli.demo_office import DemoOffice
from service.cli.door import Door, Refused
from service.cli.terminal import CommandFailed, out, say


@dataclass(slots=True)
class Story:
    """The stage (address, fonds, its log's key, the three first secrets) and what came of the scenes so far."""

    url: str
    fonds: str
    vkey: str
    office: DemoOffice
    first: dict[str, tuple[str, str]] = field(repr=False)
    folder: Path = Path()
    own: bool = True
    number: int = 0
    people: dict[str, Door] = field(default_factory=dict)
    persons: dict[str, str] = field(default_factory=dict)
    client: str = ""
    key: ClientKey = field(default_factory=ClientKey.generate, repr=False)
    case: dict[str, Any] = field(default_factory=dict, repr=False)
    receipt: Receipt | None = None
    grant: str = ""
    asked: int = -1
    checkpoint: bytes = b""
    export: Path = Path()

    def scene(self, zh: str, en: str) -> None:
        """Begin the next scene."""
        self.number += 1
        out.print()
        out.print(Rule(f"[bold]{self.number}  {escape(zh)}[/bold]  [dim]{escape(en)}[/dim]", align="left", style="cyan"))

    def tell(self, zh: str, en: str = "") -> None:
        """A sentence of the story."""
        say(zh, en)

    def proved(self, zh: str, en: str) -> None:
        """What the scene has just shown to be so."""
        out.print(f"[green]✔ {escape(zh)}[/green]")
        out.print(f"[dim]  {escape(en)}[/dim]")

    def arrive(self, login: str, secret: str) -> Door:
        """Somebody's first sign-in: the first secret gives way to one of their own, and a factor is enrolled where the post needs one."""
        door = Door(self.url)
        session = door.sign_in(self.fonds, login, secret)
        if session["must_change_secret"]:
            chosen = first_secret()
            door.change_secret(secret, chosen)
            secret = chosen
        if session["must_enrol_factor"]:
            door.confirm_factor(_code(door.begin_factor(secret).uri))
        return door


def refused(act: Callable[[], object], *codes: str) -> Refused:
    """The refusal an attempt must meet; CommandFailed when it was let through: then the archive broke a promise."""
    try:
        act()
    except Refused as refusal:
        if refusal.code in codes:
            return refusal
        raise
    raise CommandFailed("本应被拒绝的操作没有被拒绝。", "What should have been refused was not.")


def check(*, holds: bool, zh: str, en: str) -> None:
    """Stop the story where the archive does not keep what it says."""
    if not holds:
        raise CommandFailed(f"与所述不符：{zh}", f"Not as told: {en}")


def _code(uri: str) -> str:
    """The code an authenticator app would show for an `otpauth://` address."""
    app = pyotp.parse_uri(uri)
    if not isinstance(app, pyotp.TOTP):
        raise CommandFailed("验证器地址的类型不对。", "The authenticator address is of another kind.")
    return app.at(SystemClock().now())
