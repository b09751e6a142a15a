"""`demo`: an archive out of nothing, with people in every post and cases in every state, served on this machine."""

from __future__ import annotations

import json
import shutil
import signal
import socket
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from rich.markup import escape

from foundation.database import Database
from foundation.errors import WrongDatabase
from office.administrators import ADMINISTRATORS
from office.clients import register_client
from office.founding import found_office
from petition_archive_client.assertion import ClientKey
from petition_archive_client.client import ArchiveClient
from service import logs
from service.cli.demo_office import OFFICES, DemoOffice
from service.cli.founding import found
from service.cli.serving import PortTaken, Running, announce, listen
from service.cli.staffing import furnish, settle
from service.cli.terminal import CommandFailed, columns, grouped, out, program, progress, say
from service.generator.cases import generate
from service.house import House
from service.wiring import Settings, open_archive

HOST = "127.0.0.1"
NAME = "demo.petition-archive"
# Says that a folder was made by this command, so that --fresh never deletes anything else.
_MARK = "demonstration.json"
# Where it is served, for whoever starts it a second time.
_ADDRESS = "served-at"


def demo(
    home: Annotated[Path, typer.Option(help="数据目录 / folder of everything")] = Path("var"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="端口 / port")] = 8700,
    cases: Annotated[int, typer.Option(min=10, max=100_000, help="生成多少件案卷 / how many cases")] = 500,
    seed: Annotated[int, typer.Option(help="案卷的种子 / seed of the cases")] = 2026,
    *,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="删除上次的演示库，重新建立 / delete the last demonstration and make a new one")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="建好即退出，不提供服务 / make it and end, without serving")] = False,
) -> None:
    """演示库：三个全宗、机构和人员、500 件虚构案卷，在 127.0.0.1:8700 提供服务。 A demonstration archive, made from nothing and served.

    所有口令每次随机产生，只显示一次。再次运行沿用 ./var，不重新归档；--fresh 删掉后重新建立。密钥环与数据库同放在 ./var，仅供演示。

    Secrets are random and shown once. A second run goes on with ./var as it is; --fresh deletes it and makes a new one. The key ring lies
    beside the database here, which is for demonstrations only.
    """
    logs.configure("error")
    signal.signal(signal.SIGTERM, _ended)
    _must_be_ours(home)
    with _listen(port, home) as listening:
        url = f"http://{HOST}:{listening.getsockname()[1]}"
        _prepare(home, fresh=fresh)
        settings = _settings(home, url)
        mark = _read_mark(home)
        if mark is None:
            _make(settings, home, cases, seed, url, listening, once=once)
            return
        say(
            f"沿用上次建立的演示库 {home}：{mark.get('cases', '')} 件案卷和下列人员都在，未重新归档，也未改动任何内容。",
            f"Going on with the demonstration in {home}: its {mark.get('cases', '')} cases and the people below are there; nothing was"
            " deposited again and nothing changed.",
        )
        say(
            f"口令只在建立时显示过一次。要删掉它从头再来：{program()} demo --home {home} --fresh",
            f"Secrets were shown once, when it was made. To delete it and begin afresh: {program()} demo --home {home} --fresh",
        )
        _people([tuple(map(str, row)) for row in mark["people"]], [])
        running = Running(open_archive(settings), listening)
        _serve(running, url, home, mark["clients"], once=once)


def _must_be_ours(home: Path) -> None:
    """CommandFailed for a folder that holds something else, and for a demonstration that another terminal has open."""
    if home.exists() and any(home.iterdir()) and not (home / _MARK).is_file():
        raise CommandFailed(
            f"{home} 不是演示库，未作任何改动；请用 --home 指定别的文件夹。",
            f"{home} is no demonstration and was left alone; give another folder with --home.",
            status=2,
        )
    if not (home / "archive.sqlite").exists():
        return
    db = Database(f"sqlite:///{home / 'archive.sqlite'}", pool_size=1)
    try:
        db.own()
    except WrongDatabase:
        raise CommandFailed(
            f"演示库 {home} 已由另一个终端打开{_served_at(home, '，地址 {}')}，可以直接使用，口令见那个终端；要停止它，在那里按 Ctrl+C。"
            f"要另建一个：{program()} demo --home {home}-2 --port 0",
            f"The demonstration in {home} is open in another terminal{_served_at(home, ', at {}')}: use it, with the secrets shown there,"
            f" or stop it there with Ctrl+C. For another one: {program()} demo --home {home}-2 --port 0",
        ) from None
    finally:
        db.close()


def _served_at(home: Path, words: str) -> str:
    try:
        return words.format((home / _ADDRESS).read_text(encoding="utf-8"))
    except OSError:
        return ""


def _listen(port: int, home: Path) -> socket.socket:
    try:
        return listen(HOST, port)
    except PortTaken:
        again = f"{program()} demo --home {home} --port 0"
        raise CommandFailed(
            f"{HOST}:{port} 已被别的程序占用，什么也没有建立或改动。换一个空闲端口：{again}",
            f"{HOST}:{port} is in use by another program; nothing was made or changed. To take any free port: {again}",
        ) from None


def _prepare(home: Path, *, fresh: bool) -> None:
    marked = (home / _MARK).is_file()
    if marked and (fresh or _read_mark(home) is None):
        which = ("上次的", "last") if fresh else ("未建完的", "unfinished")
        say(f"删除{which[0]}演示库 {home}，重新建立。", f"Deleting the {which[1]} demonstration in {home} and making a new one.")
        shutil.rmtree(home)
    if not marked or not home.exists():
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        (home / _MARK).write_text(json.dumps({"complete": False}), encoding="utf-8")


def _settings(home: Path, url: str) -> Settings:
    return Settings(home=home, key_ring_credential=home / "keys" / "credential", public_url=url)


def _read_mark(home: Path) -> dict[str, Any] | None:
    """What the finished demonstration noted (never a secret), or None when it was not finished."""
    try:
        mark: dict[str, Any] = json.loads((home / _MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return mark if mark.get("complete") else None


def _make(settings: Settings, home: Path, cases: int, seed: int, url: str, listening: Any, *, once: bool) -> None:
    found(settings, NAME)
    house = open_archive(settings)
    running = Running(house, listening)
    try:
        people: list[tuple[str, ...]] = []
        secrets: list[tuple[str, str]] = []
        clients = []
        for office in OFFICES:
            say(f"设立全宗 {office.fonds.code} {office.fonds.title_zh} …", f"Founding {office.fonds.code}, {office.fonds.title_en} …")
            key = ClientKey.generate()
            clients.append((office, key, _staff(house, office, key, people, secrets)))
        deposited = 0
        for number, (office, key, client) in enumerate(clients):
            share = cases * office.share // 100 if office is not OFFICES[-1] else cases - deposited
            deposited += _deposit(url, office, key, client, share, seed + number)
            pem = home / f"{office.fonds.code}-client.pem"
            pem.touch(mode=0o600)
            pem.write_bytes(key.pem())
    except BaseException:
        running.stop()
        raise
    names = {office.fonds.code: client for office, _, client in clients}
    mark = {"complete": True, "cases": deposited, "people": people, "clients": names}
    (home / _MARK).write_text(json.dumps(mark, ensure_ascii=False), encoding="utf-8")
    _people(people, secrets)
    _serve(running, url, home, names, once=once)


def _staff(house: House, office: DemoOffice, key: ClientKey, people: list[tuple[str, ...]], secrets: list[tuple[str, str]]) -> str:
    """Found the fonds and bring everybody in; note who they are and their secrets, and return the case system's name."""
    code = office.fonds.code
    founded = found_office(house.staff, office.fonds, office.first)
    three = {role: settle(house, code, founded.secrets[role]) for role in ADMINISTRATORS}
    roles = house.desk.rulebook(code).roles.by_code
    for one in office.first.administrators:
        settled = three[one.role]
        people.append((code, roles[one.role].zh, one.display_name, settled.login))
        secrets.append((settled.secret, settled.factor))
    for role, name, told in furnish(house, office, founded.unit_id, three["sysadmin"], three["secadmin"]):
        people.append((code, roles[role].zh, name, told.login))
        secrets.append((told.secret, ""))
    client = register_client(
        house.staff,
        three["sysadmin"].caller,
        source_system=office.shape.source_system,
        title=f"{office.fonds.title_zh}业务系统",
        public_jwk=key.public_jwk(),
    )
    return client.name


def _deposit(url: str, office: DemoOffice, key: ClientKey, client: str, number: int, seed: int) -> int:
    """Deposit generated cases as the fonds' case system does: over HTTP, with its own key; returns how many."""
    with ArchiveClient(url, client=client, key=key) as door, progress(f"归档 {office.fonds.code}", "depositing") as advance:
        done = 0
        for answer in door.deposit_many(generate(number, seed, office=office.shape)):
            if answer.receipt is None:
                code = getattr(answer.problem, "code", "unknown")
                raise CommandFailed(f"第 {answer.line} 件未被接收（{code}）。", f"Case {answer.line} was not accepted ({code}).")
            done += 1
            advance(done, number)
    say(f"{office.fonds.code}：已归档 {done} 件，每件都有回执。", f"{office.fonds.code}: {done} cases deposited, a receipt for each.")
    return done


def _people(people: list[tuple[str, ...]], secrets: list[tuple[str, str]]) -> None:
    say("\n可以登录的人员：", "Who can sign in:")
    headings = ("全宗 fonds", "登录名 login", *(("口令 secret",) if secrets else ()), "角色 role", "姓名 name")
    told: list[tuple[str, ...]] = [(secret,) for secret, _ in secrets] or [()] * len(people)
    columns(headings, [(fonds, login, *secret, role, name) for (fonds, role, name, login), secret in zip(people, told, strict=True)])
    factors = [(row[0], row[3], grouped(factor)) for row, (_, factor) in zip(people, secrets, strict=False) if factor]
    if factors:
        say(
            "\n三员的验证器密钥，可加入任一验证器应用（按时间）；每个验证码只能用一次：",
            "Authenticator keys of the administrators, for any authenticator app (time-based); a code works once:",
        )
        columns(("全宗 fonds", "登录名 login", "密钥 key"), factors)
    if secrets:
        say(
            "\n口令只显示这一次。三员已完成首次登录（口令如上，验证码由“验证器密钥”产生）；其他人首次登录须先改口令，审批人还须绑定验证码。",
            "Shown this once. The administrators have signed in already, with the secrets above and codes from their authenticator keys;"
            " everybody else changes the first secret at the first sign-in, and approvers enrol a factor.",
        )


def _serve(running: Running, url: str, home: Path, clients: dict[str, str], *, once: bool) -> None:
    fonds, unit = OFFICES[1].fonds.code, OFFICES[1].shape.units[0]
    signing_in = f"{program()} first-sign-in --fonds {fonds} --url {url} --login"
    with_home = f"ARCHIVE_HOME={home} ARCHIVE_KEY_RING_CREDENTIAL={home}/keys/credential"
    if once:
        running.stop()
        again = f"{program()} demo --home {home}"
        say(f"\n已建好，未提供服务。启动服务：{again}", f"It is made, and not served. To serve it: {again}")
        return
    say("\n可以试试（另开一个终端）：", "What to try, in another terminal:")
    for zh, command in (
        ("讲一遍全过程 the whole story", f"{program()} tour"),
        ("承办人首次登录 a handler's first sign-in", f"{signing_in} {unit.handlers[0].staff_id.lower()}"),
        ("审批人首次登录，须有验证器应用 an approver's, with an authenticator app", f"{signing_in} {unit.leader.staff_id.lower()}"),
        ("接口一览，用浏览器打开 the operations, in a browser", f"{url}/docs"),
        ("另造几件虚构案卷 more invented cases", f"{program()} generate 20 --seed 7 --to cases.ndjson"),
        (
            "以业务系统的身份导入 import them as the case system",
            f"{program()} import cases.ndjson --url {url} --client {clients[fonds]} --client-key {home}/{fonds}-client.pem",
        ),
        ("日志现状与公钥 the log, and its keys", f"{with_home} {program()} audit status"),
        (
            "由安全审计员导出日志 export the log as security auditor",
            f"{program()} audit export ./export --fonds {fonds} --url {url} --login {OFFICES[1].first.administrators[2].login}",
        ),
        (
            f"离线校验（VKEY 取 audit status 所示 {fonds} 的公钥） check it offline; VKEY is the key audit status shows for {fonds}",
            f'{program()} audit verify ./export --key "$VKEY"',
        ),
    ):
        out.print(f"  {escape(zh)}\n    [bold]{escape(command)}[/bold]")
    (home / _ADDRESS).write_text(url, encoding="utf-8")
    try:
        announce(url)
        running.wait()
    except KeyboardInterrupt:
        say("正在停止 …", "Stopping …")
    finally:
        (home / _ADDRESS).unlink(missing_ok=True)
        running.stop()


def _ended(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
