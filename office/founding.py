"""Founding: an archive once, and each fonds (全宗) in it once, with its keys, its first unit and the three administrators (三员).

Founding is done by whoever holds the machine and the key ring, from the command line: there is nobody yet who could be asked. It is
on record like everything else, as the first entries of the new fonds' own log. Everything after it is done by the three.

Order: keys are durable before anything rests on them, then one unit of work makes the rows and their entries. A kill between the two
leaves keys without a fonds, and founding again takes them over.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select

import auth.people
import auth.posts
import auth.units
from acts.desk import Desk
from audit.events import Actor, Event
from auth.naming import name_faults
from auth.passwords import first_secret
from auth.policy import AuthPolicy
from foundation.clock import iso, to_ms
from foundation.database import Database
from foundation.errors import Fault, InvalidInput
from foundation.inserting import insert_new
from foundation.tables import SYSTEM_FONDS, archive_meta
from foundation.tables import fonds as fonds_table
from foundation.uow import Unit
from office.accounts import FirstSecret
from office.administrators import ADMINISTRATORS
from office.errors import AlreadyFounded, FondsExists, NotFounded
from office.staff_desk import StaffDesk
from vault.suites import AES, Suite

ARCHIVE_ID = "archive_id"
# Without a dot, at which a client's name is split, and without a leading hyphen, which would be an option on the command line.
_CODE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,38}[A-Za-z0-9])?", re.ASCII)
_BAD_CODE = Fault(
    "code",
    "shape",
    "全宗号须为 1 至 40 个字母、数字、连字符或下划线，首尾为字母或数字；system 为保留号。",
    "A fonds code has 1 to 40 letters, digits, hyphens or underscores, the outer ones letters or digits; `system` is reserved.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Administrator:
    """One of the three as they are to be registered; `role` is one of ADMINISTRATORS."""

    role: str
    staff_no: str
    display_name: str
    login: str


@dataclass(frozen=True, slots=True)
class NewFonds:
    """A fonds to found: its code, its titles, the code of the fonds above it, whether it is marked as for training, and the suite its
    values are sealed with. `superior` and `training` are on record only: no act asks for them, and what is deposited is not checked.
    """

    code: str
    title_zh: str
    title_en: str
    superior: str | None = None
    training: bool = False
    suite: Suite = AES


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstOffice:
    """Its first unit, and the three administrators in it."""

    unit_code: str
    unit_title: str
    administrators: tuple[Administrator, ...]


@dataclass(frozen=True, slots=True)
class FoundedFonds:
    """What came of it; `secrets` are told here once, by role."""

    code: str
    unit_id: str
    secrets: dict[str, FirstSecret] = field(repr=False)


def faults_in(new: NewFonds, first: FirstOffice) -> list[Fault]:
    """What is wrong with a plan, whatever the archive holds; for those who would rather know before an archive is founded for it."""
    return [*_check_titles(new), *_check_three(first.administrators)]


def archive_id(conn: Connection) -> str:
    """The installation the (migrated) database belongs to; NotFounded before `found_archive`."""
    found = conn.execute(
        select(archive_meta.c.value).where(archive_meta.c.fonds == SYSTEM_FONDS, archive_meta.c.name == ARCHIVE_ID)
    ).scalar_one_or_none()
    if found is None:
        raise NotFounded
    return str(found)


def is_founded(db: Database) -> bool:
    """Tell whether the (migrated) database holds an archive."""
    try:
        with db.read() as conn:
            archive_id(conn)
    except NotFounded:
        return False
    return True


def found_archive(desk: Desk) -> str:
    """Bind the database to the key ring's installation, make the system fonds with its keys, and return the installation's id.

    AlreadyFounded when the database holds an archive, whichever.
    """
    if is_founded(desk.db):
        raise AlreadyFounded
    desk.keys.add_fonds(SYSTEM_FONDS)
    desk.keys.ensure(SYSTEM_FONDS, "token")
    founding = _Founding(desk, desk.clock.now())

    def found(unit: Unit) -> None:
        founding.fonds(unit, NewFonds(SYSTEM_FONDS, "系统全宗", "The installation itself"))
        if not insert_new(unit.conn, archive_meta, fonds=SYSTEM_FONDS, name=ARCHIVE_ID, value=desk.keys.archive_id):
            raise AlreadyFounded

    desk.uow.run(SYSTEM_FONDS, found)
    return desk.keys.archive_id


def found_fonds(desk: Desk, new: NewFonds) -> None:
    """Found a fonds with its keys and without people. InvalidInput; NotFounded before the archive is; FondsExists."""
    _check(desk, new, _check_titles(new))
    desk.keys.add_fonds(new.code, new.suite)
    founding = _Founding(desk, desk.clock.now())
    desk.uow.run(new.code, lambda unit: founding.fonds(unit, new))


def found_office(staff: StaffDesk, new: NewFonds, first: FirstOffice) -> FoundedFonds:
    """Found a fonds with its first unit and its three administrators, whose first secrets are returned once. Errors as `found_fonds`."""
    desk = staff.desk
    _check(desk, new, faults_in(new, first))
    secrets = {one.role: first_secret() for one in first.administrators}
    hashes = {role: staff.passwords.hash(secret) for role, secret in secrets.items()}
    desk.keys.add_fonds(new.code, new.suite)
    founding = _Founding(desk, desk.clock.now())
    policy = staff.policy_of(new.code)

    def found(unit: Unit) -> FoundedFonds:
        founding.fonds(unit, new)
        unit_id = auth.units.found_unit(unit, code=first.unit_code, title=first.unit_title, parent_id=None, at=founding.now)
        founding.add(unit, "unit.created", "unit", unit_id)
        told = {}
        for one in first.administrators:
            account_id = founding.administrator(unit, one, unit_id, hashes[one.role], policy)
            told[one.role] = FirstSecret(account_id, auth.people.normal_login(one.login), secrets[one.role])
        return FoundedFonds(new.code, unit_id, told)

    return desk.uow.run(new.code, found)


@dataclass(frozen=True, slots=True)
class _Founding:
    """One founding: everything in it happens at one moment, and each thing has its entry."""

    desk: Desk
    now: datetime

    def fonds(self, unit: Unit, new: NewFonds) -> None:
        if unit.conn.execute(select(fonds_table.c.fonds).where(fonds_table.c.fonds == new.code)).first() is not None:
            raise FondsExists(code=new.code)
        unit.conn.execute(
            insert(fonds_table).values(
                fonds=new.code,
                title_zh=new.title_zh,
                title_en=new.title_en,
                superior=new.superior,
                training=int(new.training),
                created_ms=to_ms(self.now),
            )
        )
        self.add(unit, "fonds.created", "fonds", new.code, superior=new.superior, training=new.training, archive=self.desk.keys.archive_id)
        for info in self.desk.keys.keys(new.code):
            self.add(unit, "key.generated", "key", info.id, suite=info.suite)
        self.add(unit, "rulebook.activated", "rulebook", self.desk.rulebook(new.code).version)

    def administrator(self, unit: Unit, one: Administrator, unit_id: str, secret_hash: str, policy: AuthPolicy) -> str:
        """Register the person, make and fill the post, open the account; return the account's id."""
        title = self.desk.rulebook(unit.fonds).roles.by_code[one.role].zh
        person_id = auth.people.register_person(unit, staff_no=one.staff_no, display_name=one.display_name, at=self.now)
        self.add(unit, "person.registered", "person", person_id)
        post_id = auth.posts.create_post(unit, unit_id=unit_id, role=one.role, title=title, at=self.now, policy=policy)
        self.add(unit, "post.created", "post", post_id, role=one.role, unit=unit_id)
        auth.posts.hold_post(unit, post_id=post_id, person_id=person_id, begins=self.now, policy=policy)
        self.add(unit, "post.held", "post", post_id, person=person_id, begins=iso(self.now), acting=False)
        account_id = auth.people.open_account(unit, person_id=person_id, login=one.login, secret_hash=secret_hash, at=self.now)
        self.add(unit, "account.created", "account", account_id, person=person_id)
        return account_id

    def add(self, unit: Unit, kind: str, about: str, object_id: str, /, **data: Any) -> None:
        unit.add(
            Event(
                kind=kind,
                actor=Actor(),
                time=self.now,
                object={"kind": about, "id": object_id},
                reason="founding",
                policy_version=self.desk.rulebook(unit.fonds).version,
                data=data,
            )
        )


def _check(desk: Desk, new: NewFonds, faults: list[Fault]) -> None:
    with desk.db.read() as conn:
        archive_id(conn)
        codes = set(conn.execute(select(fonds_table.c.fonds)).scalars())
    if new.superior is not None and new.superior not in codes - {SYSTEM_FONDS}:
        faults = [*faults, Fault("superior", "unknown", "上级全宗不存在。", "There is no such superior fonds.")]
    if faults:
        raise InvalidInput(faults)
    # Two codes that differ in case alone would be one file name on some systems: of an anchor, of an export.
    if new.code.casefold() in {code.casefold() for code in codes}:
        raise FondsExists(code=new.code)


def _check_titles(new: NewFonds) -> list[Fault]:
    faults = [] if _CODE.fullmatch(new.code) and new.code.casefold() != SYSTEM_FONDS else [_BAD_CODE]
    return faults + name_faults(title_zh=(new.title_zh, 200), title_en=(new.title_en, 200))


def _check_three(administrators: Sequence[Administrator]) -> list[Fault]:
    if sorted(one.role for one in administrators) != sorted(ADMINISTRATORS):
        return [
            Fault(
                "administrators",
                "three",
                "须有且仅有系统管理员、安全保密管理员、安全审计员各一人。",
                "Exactly one system, one security and one audit administrator are needed.",
            )
        ]
    people = {one.staff_no for one in administrators}
    logins = {auth.people.normal_login(one.login) for one in administrators}
    if len(people) != len(ADMINISTRATORS) or len(logins) != len(ADMINISTRATORS):
        return [Fault("administrators", "three-persons", "三员须为三个不同的人，各有账号。", "The three are three persons with accounts.")]
    return []
