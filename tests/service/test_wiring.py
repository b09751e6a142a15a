"""Opening an archive: everything that is not as it was left is refused before anything is appended, and closing leaves nothing open."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from audit.errors import AnchorMissing, LogRolledBack
from foundation.database import Database
from foundation.errors import WrongDatabase
from fresh_databases import DatabaseUrls, FreshDatabases
from house_rules import ROOT
from office.errors import AlreadyFounded, NotFounded
from policies.rulebook.load import base
from service.founding import found_archive
from service.house import Networks
from service.settings import SettingsRefused, unknown_names
from service.wiring import Settings, auth_policy, open_archive, read_settings
from small_archive import settings_for
from vault.errors import CredentialUnusable, KeyRingForeign, KeyRingMissing, KeyRingWrong
from vault.unlock import Credential


@pytest.fixture
def urls(fresh_databases: FreshDatabases) -> Iterator[DatabaseUrls]:
    with fresh_databases.fresh("sqlite") as made:
        yield made


@pytest.fixture
def founded(urls: DatabaseUrls, tmp_path: Path) -> Settings:
    settings = settings_for(urls, tmp_path)
    found_archive(settings, "archive.example", migrate=False)
    return settings


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert {thread.name for thread in threading.enumerate() if thread not in before} == set()


def test_an_archive_opens_closes_and_opens_again_leaving_nothing_behind(founded: Settings) -> None:
    for _ in range(2):
        house = open_archive(founded)
        assert house.publisher._thread.is_alive()
        house.close()
        house.close()
        assert not house.publisher._thread.is_alive()


def test_what_was_appended_is_published_before_the_archive_closes(founded: Settings) -> None:
    open_archive(founded).close()
    house = open_archive(founded, purpose="read")
    try:
        assert [lag.unsigned for lag in house.publishing.lags()] == [0]
    finally:
        house.close()


def test_a_second_process_on_the_file_is_refused_and_a_reader_is_not(founded: Settings) -> None:
    house = open_archive(founded)
    try:
        with pytest.raises(WrongDatabase) as refused:
            open_archive(founded)
        assert "another process" in refused.value.text_en
        open_archive(founded, purpose="read").close()
    finally:
        house.close()


def test_an_archive_is_founded_once(founded: Settings) -> None:
    with pytest.raises(AlreadyFounded):
        found_archive(founded, "archive.example", migrate=False)


def test_founding_goes_on_where_it_was_cut_off_with_the_same_key_ring(urls: DatabaseUrls, tmp_path: Path) -> None:
    from vault.keyring import KeyRing

    settings = settings_for(urls, tmp_path)
    made = KeyRing.create(
        settings.ring_file, Credential(tmp_path / "keys" / "credential"), archive_id="a-b", archive_name="archive.example"
    )
    assert found_archive(settings, "archive.example", migrate=False) == made.archive_id


def test_an_empty_database_is_no_archive(urls: DatabaseUrls, tmp_path: Path) -> None:
    with pytest.raises(NotFounded):
        open_archive(settings_for(urls, tmp_path))


def test_a_missing_wrong_or_foreign_key_ring_is_refused_by_name(founded: Settings, tmp_path: Path, fresh_databases: FreshDatabases) -> None:
    with pytest.raises(KeyRingMissing):
        open_archive(founded.model_copy(update={"key_ring": tmp_path / "keys" / "elsewhere"}))
    other = Credential.make(tmp_path / "keys" / "other").path
    with pytest.raises(KeyRingWrong):
        open_archive(founded.model_copy(update={"key_ring_credential": other}))
    home = tmp_path / "other-archive"
    home.mkdir()
    with fresh_databases.fresh("sqlite") as urls:
        stranger = settings_for(urls, home)
        found_archive(stranger, "other.example", migrate=False)
        swapped = {"key_ring": stranger.ring_file, "key_ring_credential": stranger.key_ring_credential}
        with pytest.raises(KeyRingForeign):
            open_archive(founded.model_copy(update=swapped))
    for neither in ({"key_ring_credential": None}, {"key_ring_passphrase": SecretStr("correct horse battery")}):
        with pytest.raises(CredentialUnusable):
            open_archive(founded.model_copy(update=neither))


def test_a_database_newer_or_older_than_the_program_is_refused(founded: Settings) -> None:
    database = Database(founded.database)
    with database.write() as conn:
        before = conn.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    for version, why in (("9999", "newer"), ("0001", "older")):
        with database.write() as conn:
            conn.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": version})
        with pytest.raises(WrongDatabase) as refused:
            open_archive(founded)
        assert why in refused.value.text_en
    with database.write() as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = :v"), {"v": before})
    database.close()
    open_archive(founded).close()


def test_a_database_that_was_rolled_back_or_lost_its_anchor_is_not_served(founded: Settings) -> None:
    path = Path(Database(founded.database).url.database or "")
    open_archive(founded).close()
    backup = path.read_bytes()
    open_archive(founded).close()
    for leftover in path.parent.glob(f"{path.name}-*"):
        leftover.unlink()
    newer = path.read_bytes()
    path.write_bytes(backup)
    with pytest.raises(LogRolledBack):
        open_archive(founded)
    path.write_bytes(newer)
    for anchor in founded.anchor_folder.glob("*.checkpoint"):
        anchor.unlink()
    with pytest.raises(AnchorMissing):
        open_archive(founded)


def test_auth_is_told_of_the_rulebook_what_it_needs() -> None:
    policy = auth_policy(base())
    assert frozenset({"sysadmin", "auditadmin"}) in policy.separation
    assert "depositor" not in policy.post_roles
    assert {"leader", "principal", "secadmin"} <= policy.second_factor_roles
    assert policy.forbidden_beside("auditadmin") >= {"sysadmin", "secadmin", "handler"}


# ------------------------------------------------------------------------------------------------ settings


def test_a_misspelt_setting_is_refused_and_no_value_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHIVE_TRUSTED_PROXYS", "10.0.0.1")
    assert unknown_names() == ["ARCHIVE_TRUSTED_PROXYS"]
    with pytest.raises(ValueError, match="ARCHIVE_TRUSTED_PROXYS") as refused:
        read_settings()
    assert "10.0.0.1" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "70000"), ("PUBLIC_URL", "http://x/"), ("PUBLIC_URL", "ftp://x"), ("INTRANET", "10.0.0.0/33"), ("THREADS", "1")],
)
def test_a_setting_out_of_bounds_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"ARCHIVE_{name}", value)
    with pytest.raises(SettingsRefused, match=f"ARCHIVE_{name} is wrong") as refused:
        read_settings()
    assert value not in str(refused.value)
    assert refused.value.faults[0][0].startswith(f"设置 ARCHIVE_{name} 有误：")


def test_secrets_are_not_shown_where_settings_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHIVE_KEY_RING_PASSPHRASE", "canary-passphrase")
    monkeypatch.setenv("ARCHIVE_DATABASE_URL", "postgresql://u:canary-password@h/d")
    settings = read_settings()
    assert "canary" not in f"{settings!r} {settings}"
    assert settings.database == "postgresql://u:canary-password@h/d"


def test_paths_lie_under_home_unless_they_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("ARCHIVE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ARCHIVE_HOME", "/srv/a")
    monkeypatch.setenv("ARCHIVE_ANCHORS", "/srv/elsewhere")
    monkeypatch.setenv("ARCHIVE_TRUSTED_PROXIES", "10.1.0.0/16, 127.0.0.1")
    settings = read_settings()
    assert settings.database == "sqlite:////srv/a/archive.sqlite"
    assert settings.ring_file == Path("/srv/a/keys/ring")
    assert settings.anchor_folder == Path("/srv/elsewhere")
    assert len(settings.networks[0]) == 2
    assert (settings.host, settings.trusted_proxies == ()) == ("127.0.0.1", False)


@pytest.mark.parametrize(
    ("peer", "forwarded", "address", "kind"),
    [
        ("192.0.2.1", "10.9.9.9", "192.0.2.1", "other"),
        ("10.1.0.1", "", "10.1.0.1", "intranet"),
        ("10.1.0.1", "192.0.2.9", "192.0.2.9", "other"),
        ("10.1.0.1", "1.2.3.4, 192.0.2.9", "192.0.2.9", "other"),
        ("10.1.0.1", "192.0.2.9, 10.1.0.7", "192.0.2.9", "other"),
        ("10.1.0.1", "10.8.8.8,, 192.0.2.9 ,", "192.0.2.9", "other"),
        ("10.1.0.1", "10.1.0.9, 10.1.0.8", "10.1.0.9", "intranet"),
        ("", "192.0.2.9", "", "other"),
        # With ports, in brackets, mapped, with a zone: one address, however it is written.
        ("10.1.0.1", "192.0.2.9:4711", "192.0.2.9", "other"),
        ("10.1.0.1", "192.0.2.9, 10.1.0.7:8080", "192.0.2.9", "other"),
        ("10.1.0.1", "[2001:db8::9]:4711", "2001:db8::9", "other"),
        ("10.1.0.1", "2001:DB8:0::9", "2001:db8::9", "other"),
        ("::ffff:10.1.0.1", "::ffff:192.0.2.9", "192.0.2.9", "other"),
        ("10.1.0.1", "[fe80::7%eth0]", "fe80::7", "other"),
        # What is no address is the proxy's where it is counted, and opens nothing.
        ("10.1.0.1", "nonsense", "10.1.0.1", "other"),
        ("10.1.0.1", "127.0.0.1, unknown", "10.1.0.1", "other"),
        ("10.1.0.1", "127.0.0.1, [::1, 10.1.0.7", "10.1.0.7", "other"),
        ("10.1.0.1", "010.0.0.1", "10.1.0.1", "other"),
        ("10.1.0.1", "127.0.0.1:x", "10.1.0.1", "other"),
    ],
)
def test_a_forwarded_address_is_believed_from_a_trusted_proxy_alone(peer: str, forwarded: str, address: str, kind: str) -> None:
    networks = Networks(*Settings(trusted_proxies=("10.1.0.0/16",)).networks)
    assert networks.came_from(peer, forwarded) == (address, kind)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", "loopback"),
        ("::1", "loopback"),
        ("10.2.3.4", "intranet"),
        ("fd00::1", "intranet"),
        ("8.8.8.8", "other"),
        ("x", "other"),
    ],
)
def test_a_network_has_a_class_and_no_address_is_kept(address: str, expected: str) -> None:
    assert Networks(*Settings().networks).class_of(address) == expected


# ------------------------------------------------------------------------------------------------ the process

SERVE = """
import sys
from service import logs
from service.http.serving import serve
from service.wiring import open_archive, read_settings
logs.configure()
settings = read_settings()
house = open_archive(settings)
try:
    serve(house, host="127.0.0.1", port=int(sys.argv[1]))
finally:
    house.close()
"""


def _environment(settings: Settings) -> dict[str, str]:
    given: dict[str, Any] = {
        "HOME": settings.home,
        "DATABASE_URL": settings.database,
        "KEY_RING_CREDENTIAL": settings.key_ring_credential,
    }
    return {"PATH": os.environ["PATH"], **{f"ARCHIVE_{name}": str(value) for name, value in given.items()}}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_asked_to_end_ends_with_success_and_leaves_the_log_published(founded: Settings, number: signal.Signals) -> None:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-c", SERVE, str(port)], cwd=ROOT, env=_environment(founded), stdout=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                assert httpx.get(f"http://127.0.0.1:{port}/healthz").json() == {"status": "ok"}
                break
            except httpx.TransportError:
                time.sleep(0.1)
        assert httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
        process.send_signal(number)
        output, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0
    events = [line for line in output.decode().splitlines() if line.startswith("{")]
    assert any('"service.stopped"' in line for line in events)
    house = open_archive(founded)
    assert all(lag.unsigned <= 1 for lag in house.publishing.lags())
    house.close()
