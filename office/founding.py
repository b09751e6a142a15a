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
from audit.events import Actor, Event
from auth.inserting import insert_new
from auth.passwords import first_secret
from foundation.clock import to_ms
from foundation.database import Database
from foundation.errors import Fault, InvalidInput
from foundation.tables import SYSTEM_FONDS, archive_meta
from foundation.tables import fonds as fonds_table
from foundation.uow import Unit
from office.accounts import FirstSecret
from office.errors import AlreadyFounded, FondsExists, NotFounded
from office.staff_desk import StaffDesk

ADMINISTRATORS = ("sysadmin", "secadmin", "auditadmin")
_CODE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,38}[A-Za-z0-9])?", re.ASCII)
# What a client's name splits at, and what other commands would read as an option, are no part of a code.
_PROGRAM = Actor()


@dataclass(frozen=True, slots=True, kw_only=True)
class Administrator:
    """One of the three as they are to be registered; `role` is one of ADMINISTRATORS."""

    role: str
    staff_no: str
    display_name: str
    login: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FondsPlan:
    """A fonds to be founded. `superior` is the code of the fonds above it; `training` marks one that holds invented cases only."""

    code: str
    title_zh: str
    title_en: str
    unit_code: str
    unit_title: str
    administrators: tuple[Administrator, ...]
    superior: str | None = None
    training: bool = False


@dataclass(frozen=True, slots=True)
class FoundedFonds:
    """What came of it; `secrets` are told here once, by role."""

    code: str
    unit_id: str
    secrets: dict[str, FirstSecret] = field(repr=False)


def archive_id(conn: Connection) -> str:
    """The installation the database belongs to; NotFounded before `found_archive`."""
    found = conn.execute(
        select(archive_meta.c.value).where(archive_meta.c.fonds == SYSTEM_FONDS, archive_meta.c.name == "archive_id")
    ).scalar_one_or_none()
    if found is None:
        raise NotFounded
    return str(found)


def is_founded(db: Database) -> bool:
    """Tell whether the (migrated) database holds an archive."""
    with db.read() as conn:
        try:
            archive_id(conn)
        except NotFounded:
            return False
    return True


def found_archive(staff: StaffDesk, *, request_id: str) -> str:
    """Bind the database to the key ring's installation, make the system fonds with its keys, and return the installation's id.

    AlreadyFounded when the database holds an archive, whichever.
    """
    desk = staff.desk
    if is_founded(desk.db):
        raise AlreadyFounded
    desk.keys.add_fonds(SYSTEM_FONDS)
    desk.keys.ensure(SYSTEM_FONDS, "token")
    now = desk.clock.now()
    meta = {"archive_id": desk.keys.archive_id, "archive_name": desk.keys.archive_name}

    def found(unit: Unit) -> None:
        for name, value in meta.items():
            if not insert_new(unit.conn, archive_meta, fonds=SYSTEM_FONDS, name=name, value=value):
                raise AlreadyFounded
        _insert_fonds(unit, now, title_zh="系统全宗", title_en="The installation itself", superior=None, training=False)
        _add(unit, staff, now, request_id, "fonds.created", "fonds", SYSTEM_FONDS, {"archive": desk.keys.archive_id})
        _add_keys(unit, staff, now, request_id)

    desk.uow.run(SYSTEM_FONDS, found)
    return desk.keys.archive_id


def found_fonds(staff: StaffDesk, plan: FondsPlan, *, request_id: str) -> FoundedFonds:
    """Found a fonds with its first unit and its three administrators, whose first secrets are returned once.

    InvalidInput with every fault of the plan; NotFounded before the archive is; FondsExists.
    """
    desk = staff.desk
    _check(plan)
    with desk.db.read() as conn:
        archive_id(conn)
        codes = set(conn.execute(select(fonds_table.c.fonds)).scalars())
    if plan.code.casefold() in {code.casefold() for code in codes}:
        raise FondsExists(code=plan.code)
    if plan.superior is not None and plan.superior not in codes - {SYSTEM_FONDS}:
        raise InvalidInput([Fault("superior", "unknown", "上级全宗不存在。", "There is no such superior fonds.")])
    secrets = {one.role: first_secret() for one in plan.administrators}
    hashes = {role: staff.passwords.hash(secret) for role, secret in secrets.items()}
    desk.keys.add_fonds(plan.code)
    now = desk.clock.now()

    def found(unit: Unit) -> FoundedFonds:
        _insert_fonds(unit, now, title_zh=plan.title_zh, title_en=plan.title_en, superior=plan.superior, training=plan.training)
        _add(unit, staff, now, request_id, "fonds.created", "fonds", plan.code, {"superior": plan.superior, "training": plan.training})
        _add_keys(unit, staff, now, request_id)
        version = desk.rulebook(plan.code).version
        _add(unit, staff, now, request_id, "rulebook.activated", "rulebook", version, {})
        unit_id = auth.units.found_unit(unit, code=plan.unit_code, title=plan.unit_title, parent_id=None, at=now)
        _add(unit, staff, now, request_id, "unit.created", "unit", unit_id, {})
        accounts = {one.role: _install(unit, staff, one, unit_id, hashes[one.role], now, request_id) for one in plan.administrators}
        told = {
            one.role: FirstSecret(accounts[one.role], auth.people.normal_login(one.login), secrets[one.role]) for one in plan.administrators
        }
        return FoundedFonds(plan.code, unit_id, told)

    return desk.uow.run(plan.code, found)


def _install(unit: Unit, staff: StaffDesk, one: Administrator, unit_id: str, secret_hash: str, now: datetime, request_id: str) -> str:
    """Register an administrator, make and fill the post, open the account; return the account's id."""
    policy = staff.policy_of(unit.fonds)
    role = staff.desk.rulebook(unit.fonds).roles.by_code[one.role]
    person_id = auth.people.register_person(unit, staff_no=one.staff_no, display_name=one.display_name, at=now)
    _add(unit, staff, now, request_id, "person.registered", "person", person_id, {})
    post_id = auth.posts.create_post(unit, unit_id=unit_id, role=one.role, title=role.zh, at=now, policy=policy)
    _add(unit, staff, now, request_id, "post.created", "post", post_id, {"role": one.role, "unit": unit_id})
    auth.posts.hold_post(unit, post_id=post_id, person_id=person_id, begins=now, policy=policy)
    _add(unit, staff, now, request_id, "post.held", "post", post_id, {"person": person_id, "acting": False})
    account_id = auth.people.open_account(unit, person_id=person_id, login=one.login, secret_hash=secret_hash, at=now)
    _add(unit, staff, now, request_id, "account.created", "account", account_id, {"person": person_id})
    return account_id


def _insert_fonds(unit: Unit, now: datetime, *, title_zh: str, title_en: str, superior: str | None, training: bool) -> None:
    made = unit.conn.execute(select(fonds_table.c.fonds).where(fonds_table.c.fonds == unit.fonds)).first()
    if made is not None:
        raise FondsExists(code=unit.fonds)
    unit.conn.execute(
        insert(fonds_table).values(
            fonds=unit.fonds, title_zh=title_zh, title_en=title_en, superior=superior, training=int(training), created_ms=to_ms(now)
        )
    )


def _add_keys(unit: Unit, staff: StaffDesk, now: datetime, request_id: str) -> None:
    for info in staff.desk.keys.keys(unit.fonds):
        _add(unit, staff, now, request_id, "key.generated", "key", info.id, {"suite": info.suite})


def _add(unit: Unit, staff: StaffDesk, now: datetime, request_id: str, kind: str, about: str, object_id: str, data: dict[str, Any]) -> None:
    unit.add(
        Event(
            kind=kind,
            actor=_PROGRAM,
            time=now,
            object={"kind": about, "id": object_id},
            reason="founding",
            policy_version=staff.desk.rulebook(unit.fonds).version,
            request_id=request_id,
            data=data,
        )
    )


def _check(plan: FondsPlan) -> None:
    faults = []
    if not _CODE.fullmatch(plan.code) or plan.code.casefold() == SYSTEM_FONDS:
        faults.append(
            Fault(
                "code",
                "shape",
                "全宗号须为 1 至 40 个字母、数字、连字符或下划线，首尾为字母或数字；system 为保留号。",
                "A fonds code has 1 to 40 letters, digits, hyphens or underscores, outer ones letters or digits; `system` is reserved.",
            )
        )
    faults += [
        Fault(name, "length", "须为 1 至 200 个可见字符。", "1 to 200 visible characters.")
        for name, text in (("title_zh", plan.title_zh), ("title_en", plan.title_en))
        if not text.strip() or len(text) > 200 or not text.isprintable()
    ]
    faults += _check_three(plan.administrators)
    if faults:
        raise InvalidInput(faults)


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
