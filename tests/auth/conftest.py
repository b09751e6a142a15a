from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from audit.sequencing import Sequencer
from auth.context import AuthContext
from auth.factor_seal import factor_seal
from auth.lockout import Sources
from auth.passwords import Passwords
from auth.tokens import AccessTokens, Assertions
from auth.units import found_unit
from auth_office import AUDIENCE, FONDS, ISSUER, POLICY, TOKEN_ENDPOINT, Office
from foundation.clock import MovableClock
from foundation.database import Database
from foundation.ids import new_id
from foundation.tables import SYSTEM_FONDS
from foundation.uow import Unit, UnitOfWork
from vault.keyring import KeyRing
from vault.signer import TokenKeys
from vault.unlock import Credential


@pytest.fixture(scope="session")
def ring(tmp_path_factory: pytest.TempPathFactory) -> KeyRing:
    folder: Path = tmp_path_factory.mktemp("keys")
    folder.chmod(0o700)
    made = KeyRing.create(folder / "ring", Credential.make(folder / "credential"), archive_id=new_id(), archive_name="archive.example")
    for fonds in (SYSTEM_FONDS, FONDS, "F002"):
        made.add_fonds(fonds)
    return made


@pytest.fixture(scope="session")
def token_keys(ring: KeyRing) -> TokenKeys:
    return TokenKeys.of(ring)


@pytest.fixture
def access_tokens(token_keys: TokenKeys) -> AccessTokens:
    return AccessTokens(issuer=ISSUER, audience=AUDIENCE, keys=lambda: token_keys, longest=timedelta(minutes=60))


@pytest.fixture
def office(database: Database, clock: MovableClock, ring: KeyRing, access_tokens: AccessTokens) -> Iterator[Office]:
    uow = UnitOfWork(database, Sequencer())
    seal, open_ = factor_seal(ring)
    ctx = AuthContext(
        db=database,
        uow=uow,
        clock=clock,
        passwords=Passwords(memory_kib=64, passes=1),  # the cost is not what these tests are about; test_passwords has the real one
        sources=Sources(b"k" * 32),
        policy_of=lambda _fonds: POLICY,
        seal_factor=seal,
        open_factor=open_,
        access_tokens=access_tokens,
        assertions=Assertions(token_endpoint=TOKEN_ENDPOINT),
        issuer="信访档案",
    )
    made = Office(ctx, clock, database, POLICY, {})

    def tree(unit: Unit) -> None:
        made.units["bureau"] = found_unit(unit, code="XF", title="信访局", parent_id=None, at=clock.now())
        made.units["letters"] = found_unit(unit, code="XF-01", title="办信科", parent_id=made.units["bureau"], at=clock.now())
        made.units["visits"] = found_unit(unit, code="XF-02", title="接访科", parent_id=made.units["bureau"], at=clock.now())

    made.do(tree)
    clock.advance(60)
    yield made
    uow.close()
