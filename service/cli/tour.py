"""`tour`: the archive's one story, told in the terminal with real requests to a real service."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from office.administrators import ADMINISTRATORS
from office.founding import found_office
from service import logs
from service.cli.asking import Answers
from service.cli.demo_office import OFFICES
from service.cli.founding import found
from service.cli.serving import Running, listen
from service.cli.terminal import say
from service.cli.tour_proof import export_and_receipts, switched_off
from service.cli.tour_scenes import access, depositing, masked, staffing, trail
from service.cli.tour_story import Story
from service.wiring import Settings, open_archive
from vault.signer import LogSigner

OFFICE = OFFICES[1]


def tour(
    url: Annotated[
        str, typer.Option(help="对已建好、刚 init 的服务讲 / tell it against a service just founded with `init`; default: one of its own")
    ] = "",
) -> None:
    """讲一遍全过程：归档、脱敏、审批、明文、归还、督查、关机校验。 The whole story, with real requests, in the terminal.

    不写 --url 时，在临时目录新建一个档案库并自行启动服务，讲完即删，不影响任何现有数据。

    Without --url it founds an archive in a temporary folder, serves it itself and deletes it in the end; nothing that exists is touched.
    """
    logs.configure("error")
    with tempfile.TemporaryDirectory(prefix="petition-archive-tour-") as folder:
        with _stage(url, Path(folder)) as story:
            _opening(story)
            staffing(story)
            depositing(story)
            masked(story)
            access(story)
            trail(story)
            export_and_receipts(story)
        switched_off(story)


def _opening(story: Story) -> None:
    story.scene("建库", "A new archive")
    story.tell(
        f"全宗 {story.fonds}：青禾县信访局。数据库里只有密文和遮盖稿；密钥环另存，没有它什么都打不开。",
        "One fonds with keys of its own. The database holds sealed values; the key ring lies elsewhere.",
    )
    story.tell(f"这份日志的公钥交给监督方：\n  {story.vkey}", "The log's public key goes to whoever is to check it, by another way.")
    story.tell(f"服务：{story.url}，以下每一步都是真实的 HTTP 请求。", "Every step below is a real HTTP request.")


@contextmanager
def _stage(url: str, folder: Path) -> Iterator[Story]:
    """A story about the service named, or about one of its own, which is off when the block ends."""
    if url:
        yield _asked(url, folder)
        return
    with listen("127.0.0.1", 0) as listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        home = folder / "archive"
        home.mkdir(mode=0o700)
        settings = Settings(home=home, key_ring_credential=home / "keys" / "credential", public_url=address, publish_seconds=0.2)
        found(settings, "tour.petition-archive", quiet=True)
        house = open_archive(settings)
        founded = found_office(house.staff, replace(OFFICE.fonds, superior=None), OFFICE.first)
        vkey = LogSigner.of(house.desk.keys, founded.code).vkey
        running = Running(house, listening)
        try:
            secrets = {role: (founded.secrets[role].login, founded.secrets[role].secret) for role in ADMINISTRATORS}
            yield Story(address, founded.code, vkey, OFFICE, secrets, folder, own=True)
        finally:
            running.stop()


def _asked(url: str, folder: Path) -> Story:
    say(
        "请先用 petition-archive init 新建档案库并 serve，再给出三员的登录名和初始口令；本故事会改掉这些口令，并留下虚构的人员和案卷。",
        "Found an archive with `init` and serve it first. The story changes the three first secrets and leaves invented people and cases.",
    )
    answers = Answers(None)
    fonds = typer.prompt("全宗号 fonds", err=True)
    vkey = typer.prompt("日志公钥 verifier key of the log", err=True)
    secrets = {
        role: (typer.prompt(f"{role} 登录名 login", err=True), answers.secret(f"{role} 初始口令", "first secret"))
        for role in ADMINISTRATORS
    }
    return Story(url.rstrip("/"), fonds, vkey, OFFICE, secrets, folder, own=False)
