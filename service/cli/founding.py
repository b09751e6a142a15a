"""`init`, `fonds-create`, `migrate`: from nothing to an archive somebody can sign in to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from foundation.database import Database
from foundation.errors import InvalidInput, WrongDatabase
from office.administrators import ADMINISTRATORS
from office.errors import AlreadyFounded
from office.founding import Administrator, FirstOffice, NewFonds, faults_in, found_office, is_founded
from service.cli.terminal import CommandFailed, installation, say, show_secrets, warn_of_exposure
from service.house import House
from service.migrations import run as migrations
from service.presence import must_be_there
from service.wiring import Settings, open_archive
from vault.signer import LogSigner
from vault.unlock import Credential

_THREE = {"sysadmin": "系统管理员 system", "secadmin": "安全保密管理员 security", "auditadmin": "安全审计员 audit"}

Code = Annotated[str, typer.Option("--fonds", prompt="全宗号 fonds code", help="全宗号 / code of the fonds, e.g. QH01")]
TitleZh = Annotated[str, typer.Option(prompt="立档单位名称 title (Chinese)", help="立档单位名称 / Chinese title")]
TitleEn = Annotated[str, typer.Option(help="英文名称 / English title; default: the Chinese one")]
UnitCode = Annotated[str, typer.Option(help="首个机构的代码 / code of its first unit; default: the fonds code")]
Superior = Annotated[str | None, typer.Option(help="上级全宗号，仅作登记 / code of the fonds above it, on record only")]
Person = Annotated[str, typer.Option(help="工号,姓名,登录名 / staff number, name and login, by commas")]


def init(
    fonds: Code,
    title_zh: TitleZh,
    sysadmin: Annotated[
        str, typer.Option(prompt="系统管理员 工号,姓名,登录名", help="系统管理员 / system administrator: 工号,姓名,登录名")
    ],
    secadmin: Annotated[str, typer.Option(prompt="安全保密管理员 工号,姓名,登录名", help="安全保密管理员 / security administrator")],
    auditadmin: Annotated[str, typer.Option(prompt="安全审计员 工号,姓名,登录名", help="安全审计员 / security auditor")],
    name: Annotated[
        str, typer.Option(help="档案库名，写入每份日志，不可更改 / the archive's name, part of every log, final")
    ] = "petition-archive",
    title_en: TitleEn = "",
    unit_code: UnitCode = "",
) -> None:
    """建立档案库：数据库、密钥环、首个全宗和三员。 Found an archive: database, key ring, its first fonds and three administrators.

    三员（系统管理员、安全保密管理员、安全审计员）是三个不同的人，不兼业务岗位。初始口令随机产生，只显示一次。

    The three administrators are three persons without business posts. Their first secrets are random and shown once.
    """
    settings = installation()
    first = _first_office(unit_code or fonds, title_zh, {"sysadmin": sysadmin, "secadmin": secadmin, "auditadmin": auditadmin})
    new = NewFonds(fonds, title_zh, title_en or title_zh)
    if faults := faults_in(new, first):
        raise InvalidInput(faults)
    credential = settings.key_ring_credential
    made = credential is not None and not credential.exists()
    found(settings, name)
    if made:
        say(
            f"密钥环的凭据文件已生成：{credential}。请与密钥环分开存放（别的盘，或由别人保管），相应修改设置，并另存一份。",
            f"The credential that unlocks the key ring was made: {credential}. Keep it apart from the ring, on another disk or with another"
            " person, set ARCHIVE_KEY_RING_CREDENTIAL to where it is, and keep a copy.",
        )
    warn_of_exposure(settings)
    house = open_archive(settings, purpose="act")
    try:
        _found_fonds(house, new, first)
    finally:
        house.close()
    say(
        "下一步：petition-archive serve，再由三员各自 petition-archive first-sign-in。",
        "Next: petition-archive serve; then each of the three runs petition-archive first-sign-in.",
    )


def fonds_create(
    fonds: Code,
    title_zh: TitleZh,
    sysadmin: Person,
    secadmin: Person,
    auditadmin: Person,
    title_en: TitleEn = "",
    unit_code: UnitCode = "",
    superior: Superior = None,
    *,
    training: Annotated[
        bool, typer.Option("--training", help="标记为培训用，不检查所存案卷 / marked as for training; what is deposited is not checked")
    ] = False,
) -> None:
    """再设一个全宗，各有密钥、日志和三员。 Found one more fonds, with keys, a log and three administrators of its own.

    SQLite 上须先停止服务。初始口令随机产生，只显示一次。 On SQLite stop the service first. First secrets are random and shown once.
    """
    house = open_archive(installation(), purpose="act")
    try:
        first = _first_office(unit_code or fonds, title_zh, {"sysadmin": sysadmin, "secadmin": secadmin, "auditadmin": auditadmin})
        _found_fonds(house, NewFonds(fonds, title_zh, title_en or title_zh, superior, training), first)
    finally:
        house.close()


def migrate(
    owner_url: Annotated[
        str, typer.Option(help="以所有者角色连接的数据库地址 / database URL in the role that owns the schema; default: the service's own")
    ] = "",
) -> None:
    """把数据库升级到本程序的结构。 Take the database to this program's schema.

    PostgreSQL 上由所有者角色运行，服务所用的应用角色无权改动结构。SQLite 数据库由 init 建立，这里只升级已有的。

    On PostgreSQL run it in the owner's role; the application role the service uses cannot change the schema. An SQLite database is made by
    `init`; here one that exists is upgraded.
    """
    settings = installation()
    db = Database(owner_url or settings.database, pool_size=2)
    try:
        must_be_there(db, named=settings.database_named_by)
        db.own()
        migrations.upgrade(db)
    finally:
        db.close()
    say(f"数据库结构为最新：{migrations.head()}", f"The schema is current: {migrations.head()}")


def found(settings: Settings, name: str, *, quiet: bool = False) -> None:
    """Found the archive itself; AlreadyFounded when the database holds one. Makes the credential file where settings name one not there."""
    from service.founding import found_archive

    if settings.key_ring_credential is None and settings.key_ring_passphrase is None:
        raise CommandFailed(
            "请先说明密钥环如何解锁：设置 ARCHIVE_KEY_RING_CREDENTIAL（凭据文件路径，不存在时自动生成）或 ARCHIVE_KEY_RING_PASSPHRASE。",
            "Say first how the key ring is unlocked: set ARCHIVE_KEY_RING_CREDENTIAL (a path; the file is made where it is absent) or"
            " ARCHIVE_KEY_RING_PASSPHRASE.",
            status=2,
        )
    _refuse_founded(settings)
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)  # first: a folder made on the way to the credential would be open to all
    credential = settings.key_ring_credential
    if credential is not None and not credential.exists():
        credential.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        Credential.make(credential)
    archive_id = found_archive(settings, name, migrate=settings.database.startswith("sqlite"))
    if quiet:
        return
    say(
        f"档案库已建立：{name}（{archive_id}）。密钥环 {settings.ring_file} 须与数据库分开备份：没有它，什么都打不开。",
        f"The archive {name} is founded. Back up the key ring {settings.ring_file} apart from the database: without it nothing opens.",
    )


def _refuse_founded(settings: Settings) -> None:
    """AlreadyFounded before anything is made or changed."""
    db = Database(settings.database, pool_size=2)
    try:
        if db.dialect == "sqlite" and not Path(db.url.database or "").exists():
            return
        must_be_there(db, named=settings.database_named_by)
        try:
            migrations.check(db)
        except WrongDatabase:
            return  # not migrated yet, so nothing is in it; one that is too new is refused where it is migrated
        if is_founded(db):
            raise AlreadyFounded
    finally:
        db.close()


def _found_fonds(house: House, new: NewFonds, first: FirstOffice) -> None:
    founded = found_office(house.staff, new, first)
    house.publishing.publish(new.code)
    say(f"全宗 {new.code}（{new.title_zh}）已设立。", f"The fonds {new.code} is founded.")
    show_secrets([(_THREE[role], founded.secrets[role]) for role in ADMINISTRATORS])
    say(
        "本全宗日志的验证公钥，请经日志以外的渠道交给监督方保管：",
        "The verifier key of its log: give it to whoever is to check it, by another way than the log itself:",
    )
    say(f"  {LogSigner.of(house.desk.keys, new.code).vkey}")


def _first_office(unit_code: str, unit_title: str, people: dict[str, str]) -> FirstOffice:
    return FirstOffice(
        unit_code=unit_code, unit_title=unit_title, administrators=tuple(_administrator(role, text) for role, text in people.items())
    )


def _administrator(role: str, text: str) -> Administrator:
    parts = [part.strip() for part in text.replace("，", ",").split(",")]
    if len(parts) != 3 or not all(parts):
        raise CommandFailed(
            f"{_THREE[role].partition(' ')[0]}请写成 工号,姓名,登录名，如 A1,甲,a1。",
            f"--{role}: give staff number, name and login, separated by commas, such as A1,甲,a1.",
            status=2,
        )
    return Administrator(role=role, staff_no=parts[0], display_name=parts[1], login=parts[2])
