"""The composition root: puts the rooms together into one `House`, refusing whatever is not as it was left.

Order: the database is claimed and its durability and schema checked; the key ring must be of the same archive; the stored log must agree
with what was signed; only then anything may be appended or published. What fails leaves nothing open.
"""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from pydantic import ValidationError
from sqlalchemy import select

from acts.desk import Desk
from audit.anchor import Anchors
from audit.events import Actor, Event
from audit.heartbeat import Heart
from audit.indexing import Indexer, Indexing
from audit.proofs import Proofs
from audit.publishing import Publisher, Publishing
from audit.sequencing import Sequencer
from audit.store import head_of
from auth.context import AuthContext
from auth.factor_seal import factor_seal
from auth.lockout import Sources
from auth.passwords import Passwords
from auth.policy import AuthPolicy
from auth.tokens import AccessTokens, Assertions
from foundation.clock import Clock, SystemClock
from foundation.database import Database
from foundation.tables import SYSTEM_FONDS
from foundation.tables import fonds as fonds_table
from foundation.uow import UnitOfWork
from office import founding
from policies.limits import BOUNDS
from policies.rulebook.load import Rulebook
from service import logs
from service.cosigning import Cosigning
from service.crew import Crew
from service.house import House, Limits, Networks
from service.migrations import run as migrations
from service.presence import must_be_there
from service.rulebooks import Rulebooks
from service.settings import Settings as Settings  # noqa: PLC0414  handed on: nothing else may import the settings
from service.settings import SettingsRefused as SettingsRefused  # noqa: PLC0414  likewise
from service.settings import faults_of, unknown_name, unknown_names
from service.streams.config import Stream, read_streams
from service.streams.sending import streams_of
from service.witnesses import read_witnesses
from vault.errors import CredentialUnusable
from vault.keyring import KeyRing
from vault.signer import LogSigner, TokenKeys, keyed_digest
from vault.unlock import Credential, Passphrase, Unlock

LONGEST_TOKEN = timedelta(minutes=BOUNDS["token_length"].most)
Purpose = Literal["serve", "act", "read", "examine"]


def read_settings() -> Settings:
    """Settings from the environment; SettingsRefused naming what is wrong, never a value."""
    unknown = [unknown_name(name) for name in unknown_names()]
    try:
        settings = Settings()
    except ValidationError as wrong:
        raise SettingsRefused([*unknown, *faults_of(wrong)]) from None
    if unknown:
        raise SettingsRefused(unknown)
    return settings


def open_archive(settings: Settings, *, purpose: Purpose = "serve", clock: Clock | None = None) -> House:
    """Open the archive: to `serve`, to `act` from the command line, to `read` beside a process that serves, or to `examine` one whose
    log may not agree with what was signed, which nothing else opens.

    WrongDatabase, NotFounded, OverlayRefused, StreamsRefused, KeyRingError, LogRefused, StorageUnavailable; then nothing stays open.
    """
    with ExitStack() as stack:
        db = Database(settings.database, pool_size=settings.connections)
        stack.callback(db.close)
        must_be_there(db, named=settings.database_named_by)
        if purpose in {"serve", "act"}:
            db.own()
        db.check_durability()
        migrations.check(db)
        if purpose != "examine":
            migrations.check_guards(db)
        sent: tuple[Stream, ...] = ()
        with db.read() as conn:
            archive_id = founding.archive_id(conn)
            rulebooks = Rulebooks(settings.rulebook_folder)
            if purpose == "serve":
                rulebooks.check_fonds(conn)
                sent = read_streams(settings.streams, [SYSTEM_FONDS, *conn.scalars(select(fonds_table.c.fonds))])
        ring = KeyRing.load(settings.ring_file, unlock_of(settings), archive_id=archive_id)
        house = _assemble(settings, db, ring, rulebooks, clock or SystemClock(), stack, sent)
        if purpose != "examine":
            for fonds in sorted({lag.fonds for lag in house.publishing.lags()} | set(ring.fonds())):
                house.publishing.check(fonds)
        house.closing.push(stack.pop_all())
        stack.callback(house.close)
        if purpose in {"serve", "act"}:
            rulebooks.record(house.desk)
        if purpose == "serve":
            _begin(house)
        stack.pop_all()
    return house


def unlock_of(settings: Settings) -> Unlock:
    """What unlocks the key ring; CredentialUnusable unless exactly one way is given."""
    passphrase, credential = settings.key_ring_passphrase, settings.key_ring_credential
    if passphrase is not None and credential is None:
        return Passphrase(passphrase.get_secret_value())
    if credential is not None and passphrase is None:
        return Credential(credential)
    given = "都没有设置" if passphrase is None else "同时设置了"
    raise CredentialUnusable(
        why_zh=f"ARCHIVE_KEY_RING_CREDENTIAL 与 ARCHIVE_KEY_RING_PASSPHRASE {given}，须设置其中一个",
        why_en="set one of ARCHIVE_KEY_RING_CREDENTIAL and ARCHIVE_KEY_RING_PASSPHRASE, and only one",
    )


def auth_policy(rulebook: Rulebook) -> AuthPolicy:
    """What auth is told of a rulebook: who may hold what, what may not meet, who needs two factors, and the limits of sign-in."""
    roles, limits = rulebook.roles.by_code.values(), rulebook.limits
    return AuthPolicy(
        version=rulebook.version,
        post_roles=frozenset(role.code for role in roles if role.holders == "person"),
        separation=frozenset(frozenset({role.code, other}) for role in roles for other in role.apart),
        second_factor_roles=frozenset(role.code for role in roles if role.second_factor),
        password_max_age_days=limits.count("password_max_age"),
        password_min_length=limits.count("password_min_length"),
        password_history=limits.count("password_history"),
        lock_after=limits.count("lock_after"),
        lock_minutes=limits.count("lock_length"),
        session_hours=limits.count("session_length"),
        session_idle_minutes=limits.count("session_idle"),
        token_minutes=limits.count("token_length"),
        address_tries=limits.count("address_tries"),
        address_minutes=limits.count("address_window"),
    )


def _assemble(
    settings: Settings, db: Database, ring: KeyRing, rulebooks: Rulebooks, clock: Clock, stack: ExitStack, sent: tuple[Stream, ...]
) -> House:
    uow = UnitOfWork(db, Sequencer())
    stack.callback(uow.close)
    crew = Crew(settings.crew_size, (ring.path, unlock_of(settings), ring.archive_id, settings.rulebook_folder))
    stack.callback(crew.close)
    policy_of_version = cache(auth_policy)
    publishing = Publishing(db, lambda fonds, epoch: LogSigner.of(ring, fonds, epoch), Anchors(settings.anchor_folder), clock)
    heart = Heart(db, clock, settings.heartbeat_seconds) if settings.heartbeat_seconds else None
    publisher = Publisher(publishing, interval=settings.publish_seconds, report=logs.report_publishing, heart=heart)
    cosigning = Cosigning(publishing, read_witnesses(settings.witnesses), logs.report_witness)
    indexer = Indexer(Indexing(publishing, uow), interval=settings.index_seconds, report=logs.report_indexing)
    seal, unseal = factor_seal(ring)
    trusted, intranet = settings.networks

    @cache
    def origin_of(fonds: str) -> str:
        # A log's life changes only while nothing serves (audit.restoring).
        with db.read() as conn:
            head = head_of(conn, fonds)
        return LogSigner.of(ring, fonds, 1 if head is None else head.epoch).name

    return House(
        archive_id=ring.archive_id,
        public_url=settings.public_url,
        desk=Desk(db=db, uow=uow, clock=clock, keys=ring, rulebook=rulebooks.of, panel=cosigning.panel),
        auth=AuthContext(
            db=db,
            uow=uow,
            clock=clock,
            passwords=Passwords(concurrency=settings.hashing, places=settings.threads // 2),
            sources=Sources(keyed_digest(ring, SYSTEM_FONDS, "sign-in-sources", b"")),
            policy_of=lambda fonds: policy_of_version(rulebooks.of(fonds)),
            seal_factor=seal,
            open_factor=unseal,
            access_tokens=AccessTokens(
                issuer=settings.public_url, audience=f"{settings.public_url}/v1", keys=_TokenKeySet(ring), longest=LONGEST_TOKEN
            ),
            assertions=Assertions(token_endpoint=f"{settings.public_url}/v1/token"),
            # What an authenticator app shows above the login and its fonds.
            issuer=f"信访档案库 {ring.archive_name}",
        ),
        publishing=publishing,
        publisher=publisher,
        indexer=indexer,
        cosigning=cosigning,
        streams=streams_of(db, uow, clock, sent, hostname=ring.archive_name, interval=settings.publish_seconds, report=logs.report_stream),
        proofs=Proofs(db, cosigning.panel),
        limits=Limits(
            body=settings.max_body_bytes,
            batch=settings.max_batch_bytes,
            batch_lines=settings.max_batch_lines,
            threads=settings.threads,
            clients=settings.clients,
            clients_per_address=settings.clients_per_address,
        ),
        networks=Networks(trusted, intranet),
        origin_of=origin_of,
        public_log=settings.public_log,
        heartbeat_seconds=settings.heartbeat_seconds,
        preparers=crew,
        closing=ExitStack(),
    )


def _begin(house: House) -> None:
    event = Event(
        kind="archive.started",
        actor=Actor(),
        time=house.desk.clock.now(),
        object={"kind": "archive", "id": house.archive_id},
        data={"version": program_version()},
    )
    house.desk.uow.run(SYSTEM_FONDS, lambda unit: unit.add(event))
    house.publisher.start()
    house.cosigning.start()
    house.closing.callback(house.cosigning.stop)
    # Pushed last, so it goes first: it publishes once more while the database is still open.
    house.closing.callback(house.publisher.stop)
    house.indexer.start()
    house.closing.callback(house.indexer.stop)
    house.streams.start()
    house.closing.callback(house.streams.stop)


def program_version() -> str:
    """The version of this program; `0` where it runs unpacked."""
    try:
        return version("petition-archive")
    except PackageNotFoundError:
        return "0"


class _TokenKeySet:
    """The installation's token keys, parsed once per state of the ring."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._state: tuple[tuple[str, str], ...] = ()
        self._keys: TokenKeys | None = None

    def __call__(self) -> TokenKeys:
        self._ring.refresh()
        if self._keys is None or self._found() != self._state:
            self._keys = TokenKeys.of(self._ring)
            self._state = self._found()
        return self._keys

    def _found(self) -> tuple[tuple[str, str], ...]:
        return tuple((info.id, info.state) for info in self._ring.keys(SYSTEM_FONDS) if info.scope == "token")
