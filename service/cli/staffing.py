"""Bringing people in the way it is done: administrators sign in with their first secrets, choose their own, enrol a factor, then act."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyotp

from acts.desk import Caller
from auth.own_secret import change_secret, confirm_factor, enrol_factor
from auth.passwords import first_secret
from auth.sessions import Session, by_id, principal_of
from auth.signin import Attempt, sign_in
from foundation.ids import new_id
from office.accounts import FirstSecret, create_account
from office.people import register_person
from office.posts import create_post, hold_post
from office.units import create_unit
from service.cli.demo_office import DemoOffice
from service.house import House


@dataclass(frozen=True, slots=True)
class Settled:
    """An administrator ready to act: the secret chosen in place of the first one, and the key of the authenticator app."""

    session: Session
    login: str
    secret: str = field(repr=False)
    factor: str = field(repr=False)

    @property
    def caller(self) -> Caller:
        """The administrator in a request of their own."""
        return Caller(principal_of(self.session), new_id())


def settle(house: House, fonds: str, told: FirstSecret) -> Settled:
    """Sign in with a first secret, choose a random one, enrol a factor and confirm it."""
    attempt = Attempt(client="cli", address="127.0.0.1", request_id=new_id())
    session = sign_in(house.auth, fonds=fonds, login=told.login, secret=told.secret, code=None, attempt=attempt).session
    chosen = first_secret()
    change_secret(house.auth, session, present=told.secret, new=chosen, request_id=new_id())
    factor = enrol_factor(house.auth, _again(house, session), present=chosen, request_id=new_id()).secret
    confirm_factor(house.auth, _again(house, session), pyotp.TOTP(factor).at(house.desk.clock.now()), request_id=new_id())
    return Settled(_again(house, session), told.login, chosen, factor)


def furnish(house: House, office: DemoOffice, root_unit: str, sysadmin: Settled, secadmin: Settled) -> list[tuple[str, str, FirstSecret]]:
    """Units, people, accounts and posts by the system administrator, holdings by the security administrator.

    Returns (role, name, first secret) of everybody brought in.
    """
    staff = house.staff
    makes, fills = sysadmin.caller, secadmin.caller
    units = {office.first.unit_code: root_unit}
    for unit in office.shape.units:
        units[unit.code] = create_unit(staff, makes, code=unit.code, title=unit.name, parent_id=root_unit)
    roles = house.desk.rulebook(office.fonds.code).roles
    told = []
    for one in office.colleagues:
        person_id = register_person(staff, makes, staff_no=one.staff.staff_id, display_name=one.staff.name)
        secret = create_account(staff, makes, person_id=person_id, login=one.staff.staff_id.lower())
        for code in one.units:
            post_id = create_post(staff, makes, unit_id=units[code], role=one.role, title=roles.by_code[one.role].zh)
            hold_post(staff, fills, post_id=post_id, person_id=person_id)
        told.append((one.role, one.staff.name, secret))
    return told


def _again(house: House, session: Session) -> Session:
    with house.desk.db.read() as conn:
        return by_id(house.auth, conn, session.fonds, session.session_id)
