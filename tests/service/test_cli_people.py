"""Commands done by somebody: they sign in like anywhere else, and what they do is on record in their name."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pyotp
import pytest

from auth.own_secret import change_secret
from auth.signin import Attempt, sign_in
from command_line import Terminal
from foundation.clock import SystemClock
from foundation.ids import new_id
from house_rules import ROOT
from office.accounts import FirstSecret
from office.administrators import ADMINISTRATORS
from office.clients import register_client
from office.founding import found_office
from petition_archive_client.assertion import ClientKey
from real_terminal import RealTerminal
from service.cli.demo_office import OFFICES
from service.cli.founding import found
from service.cli.serving import Running, listen
from service.cli.staffing import Settled, furnish, settle
from service.generator.cases import generate
from service.wiring import Settings, open_archive
from tlog.errors import NoKnownSignature

OFFICE = OFFICES[1]
FONDS = OFFICE.fonds.code
OWN = "lantern over quiet 河 nine"


@dataclass
class Staffed:
    """An archive with an office, closed between commands."""

    terminal: Terminal
    settings: Settings
    three: dict[str, Settled]
    secrets: dict[str, FirstSecret]
    key: ClientKey
    client: str


@pytest.fixture(scope="module")
def staffed(tmp_path_factory: pytest.TempPathFactory) -> Staffed:
    home = tmp_path_factory.mktemp("staffed") / "var"
    with listen("127.0.0.1", 0) as probe:
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    settings = Settings(home=home, key_ring_credential=home / "keys" / "credential", public_url=url)
    found(settings, "archive.example", quiet=True)
    house = open_archive(settings, purpose="act")
    try:
        founded = found_office(house.staff, replace(OFFICE.fonds, superior=None), OFFICE.first)
        three = {role: settle(house, FONDS, founded.secrets[role]) for role in ADMINISTRATORS}
        told = furnish(house, OFFICE, founded.unit_id, three["sysadmin"], three["secadmin"])
        key = ClientKey.generate()
        source = OFFICE.shape.source_system
        client = register_client(house.staff, three["sysadmin"].caller, source_system=source, title="业务系统", public_jwk=key.public_jwk())
        secrets = {secret.login: secret for _, _, secret in told}
        archivist = secrets["s1803"]
        attempt = Attempt(client="cli", address="127.0.0.1", request_id=new_id())
        session = sign_in(house.auth, fonds=FONDS, login=archivist.login, secret=archivist.secret, code=None, attempt=attempt).session
        change_secret(house.auth, session, present=archivist.secret, new=OWN)
    finally:
        house.close()
    return Staffed(Terminal.at(home, ARCHIVE_PUBLIC_URL=url), settings, three, secrets, key, client.name)


@pytest.fixture
def served(staffed: Staffed) -> Iterator[str]:
    """The archive, served for the length of a test at its public address."""
    port = int(staffed.settings.public_url.rpartition(":")[2])
    with listen("127.0.0.1", port) as listening:
        running = Running(open_archive(staffed.settings), listening)
        yield staffed.settings.public_url
        running.stop()


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty cases of the office as NDJSON; the last line breaks a rule."""
    path = tmp_path_factory.mktemp("cases") / "cases.ndjson"
    made = list(generate(60, 31, office=OFFICE.shape))
    made[-1] = made[-1] | {"closed_at": "2999-01-01T00:00:00+08:00"}
    path.write_text("".join(json.dumps(case, ensure_ascii=False) + "\n" for case in made), encoding="utf-8")
    return path


def test_an_archivist_imports_a_file_on_record_and_again_without_doubles(staffed: Staffed, cases: Path) -> None:
    words = ("import", str(cases), "--fonds", FONDS, "--login", "s1803")
    said = staffed.terminal.run(*words, typed=f"{OWN}\n\n")
    assert said.status == 1, said.text  # one row was refused, and that shows in the exit status
    assert "60 行，新存入 59，已存在 0，此前已答复 0，拒收 1" in said.text
    again = staffed.terminal.run(*words, typed=f"{OWN}\n\n")
    assert "60 行，新存入 0，已存在 0，此前已答复 59，拒收 1" in again.text
    assert staffed.terminal.entries(FONDS, "case.deposited") == 59
    assert staffed.terminal.entries(FONDS, "import.started") == staffed.terminal.entries(FONDS, "import.finished") == 2
    errors = cases.with_name(cases.name + ".error-rows.csv").read_text("utf-8-sig")
    assert "closed_at" in errors
    assert "2999" not in errors


def test_an_import_asks_for_the_secret_before_it_draws_its_bar(staffed: Staffed, cases: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.ndjson"
    copy.write_bytes(cases.read_bytes())
    words = ("import", str(copy), "--fonds", FONDS, "--login", "s1803")
    values = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "COLUMNS": "200", "TERM": "xterm"}
    command = [sys.executable, "-m", "service.cli.main", *words]
    terminal = RealTerminal(command, folder=tmp_path, environment=values | staffed.terminal.environment)
    assert "importing" not in terminal.wait_for("口令 secret (s1803): ")
    terminal.type(OWN)
    terminal.wait_for("没有则回车")
    terminal.type("")
    # Nothing is drawn, and no line is wiped out, until both were answered.
    assert not re.search("importing|\x1b\\[2K", terminal.shown)
    assert terminal.ended() == 1
    assert "importing" in terminal.shown
    assert "60 行" in terminal.shown
    assert OWN not in terminal.shown


def test_a_dry_run_signs_nobody_in_and_deposits_nothing(staffed: Staffed, cases: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.ndjson"
    copy.write_bytes(cases.read_bytes())
    before = staffed.terminal.entries(FONDS)
    said = staffed.terminal.run("import", str(copy), "--dry-run")
    assert "试运行，未存入任何内容：60 行，可存入 59，" in said.text
    assert staffed.terminal.entries(FONDS) == before


def test_only_an_archivist_imports(staffed: Staffed, cases: Path) -> None:
    settled = staffed.three["sysadmin"]
    said = staffed.terminal.run(
        "import", str(cases), "--fonds", FONDS, "--login", settled.login, typed=f"{settled.secret}\n{_fresh_code(settled)}\n"
    )
    assert (said.status, "role-not-held" in said.text) == (1, True)
    assert "此操作须由档案员（archivist）登录" in said.text


def test_a_wrong_secret_at_the_terminal_is_refused_and_on_record(staffed: Staffed, cases: Path) -> None:
    before = staffed.terminal.entries(FONDS, "session.refused")
    said = staffed.terminal.run("import", str(cases), "--fonds", FONDS, "--login", "s1803", typed="not the secret at all\n\n")
    assert (said.status, "sign-in-refused" in said.text) == (1, True)
    assert staffed.terminal.entries(FONDS, "session.refused") == before + 1


def test_a_first_secret_is_no_key_to_any_command(staffed: Staffed, cases: Path) -> None:
    first = staffed.secrets["s1002"]
    said = staffed.terminal.run("import", str(cases), "--fonds", FONDS, "--login", first.login, typed=f"{first.secret}\n\n")
    assert (said.status, "secret-must-change" in said.text) == (1, True)


def test_a_table_needs_its_mapping_and_a_door_its_key(staffed: Staffed, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("a,b\n", encoding="utf-8")
    assert staffed.terminal.run("import", str(table), "--dry-run").status == 2
    whole = tmp_path / "whole.ndjson"
    whole.write_text("{}\n", encoding="utf-8")
    assert staffed.terminal.run("import", str(whole)).status == 2
    assert staffed.terminal.run("import", str(whole), "--url", "http://127.0.0.1:9").status == 2


def test_a_case_system_imports_through_the_service(staffed: Staffed, served: str, tmp_path: Path) -> None:
    file, pem = tmp_path / "more.ndjson", tmp_path / "key.pem"
    made = [case | {"case_no": f"ZZ{number}"} for number, case in enumerate(generate(12, 77, office=OFFICE.shape))]
    made[3] = made[3] | {"petitioners": "none"}
    file.write_text("".join(json.dumps(case, ensure_ascii=False) + "\n" for case in made), encoding="utf-8")
    pem.write_bytes(staffed.key.pem())
    said = staffed.terminal.run("import", str(file), "--url", served, "--client", staffed.client, "--client-key", str(pem))
    assert "12 行，新存入 11，已存在 0，此前已答复 0，拒收 1" in said.text


def test_a_first_sign_in_at_the_terminal_makes_an_account_usable(staffed: Staffed, served: str) -> None:
    first = staffed.secrets["s1001"]
    words = ("first-sign-in", "--fonds", FONDS, "--login", first.login, "--url", served)
    said = staffed.terminal.run(*words, typed=f"{first.secret}\n{OWN}\n")
    assert said.status == 0, said.text
    assert OWN not in said.text
    again = staffed.terminal.run(*words, typed=f"{first.secret}\n")
    assert (again.status, "登录名、口令" in again.text) == (1, True)


def test_a_secret_that_breaks_the_rules_is_refused_with_its_reasons(staffed: Staffed, served: str) -> None:
    first = staffed.secrets["s1101"]
    words = ("first-sign-in", "--fonds", FONDS, "--login", first.login, "--url", served)
    said = staffed.terminal.run(*words, typed=f"{first.secret}\npassword1234\n")
    assert said.status == 1
    assert "password1234" not in said.text
    assert staffed.terminal.run(*words, typed=f"{first.secret}\n{OWN}\n").status == 0


def test_a_security_auditor_exports_the_log_from_the_running_service(staffed: Staffed, served: str, tmp_path: Path) -> None:
    settled = staffed.three["auditadmin"]
    words = ("--fonds", FONDS, "--login", settled.login, "--url", served)
    entries = staffed.terminal.entries(FONDS, "session.closed")
    said = staffed.terminal.run("audit", "export", str(tmp_path / "export"), *words, typed=f"{settled.secret}\n{_fresh_code(settled)}\n")
    assert said.status == 0, said.text
    assert staffed.terminal.entries(FONDS, "session.closed") == entries + 1
    another = (*words, "--key", staffed.terminal.vkey("system"))
    with pytest.raises(NoKnownSignature):
        staffed.terminal.run("audit", "export", str(tmp_path / "y"), *another, typed=f"{settled.secret}\n{_fresh_code(settled)}\n")
    assert not (tmp_path / "y").exists()
    assert staffed.terminal.run("audit", "verify", str(tmp_path / "export"), "--key", staffed.terminal.vkey(FONDS)).status == 0
    assert staffed.terminal.run("audit", "export", str(tmp_path / "x"), "--fonds", FONDS, "--url", served).status == 2


def test_a_handler_may_not_export_the_log(staffed: Staffed, served: str, tmp_path: Path) -> None:
    first = staffed.secrets["s1102"]
    words = ("--fonds", FONDS, "--login", first.login, "--url", served)
    assert staffed.terminal.run("first-sign-in", *words, typed=f"{first.secret}\n{OWN}\n").status == 0
    said = staffed.terminal.run("audit", "export", str(tmp_path / "export"), *words, typed=f"{OWN}\n\n")
    assert said.status == 1
    assert "导出日志须由安全审计员登录" in said.text
    assert not (tmp_path / "export").exists()


def test_a_secret_goes_to_no_address_that_would_carry_it_in_clear(staffed: Staffed, tmp_path: Path) -> None:
    words = ("--fonds", FONDS, "--login", "s1001", "--url")
    for url, why in (("http://archive.example", "其他主机须用 https://"), ("127.0.0.1:8700", "地址须形如 https://")):
        for command in (("first-sign-in",), ("audit", "export", str(tmp_path / "export"))):
            said = staffed.terminal.run(*command, *words, url, typed="nobody's secret\n")
            assert (said.status, why in said.text) == (2, True), said.text


def test_keys_are_not_rotated_beside_a_service_that_owns_the_file(staffed: Staffed, served: str) -> None:
    settled = staffed.three["sysadmin"]
    said = staffed.terminal.run("keys", "rotate", "--fonds", FONDS, "--login", settled.login, typed="x\n\n")
    assert (said.status, "SQLite" in said.text) == (1, True)


def test_a_rotation_moves_every_wrap_and_is_on_record(staffed: Staffed) -> None:
    settled = staffed.three["sysadmin"]
    words = ("keys", "rotate", "--fonds", FONDS, "--login", settled.login)
    said = staffed.terminal.run(*words, typed=f"{settled.secret}\n{_fresh_code(settled)}\n")
    assert said.status == 0, said.text
    assert "改换包装 0 个" not in said.text
    assert staffed.terminal.entries(FONDS, "key.rotated") > 0
    listed = staffed.terminal.run("keys", "list", "--fonds", FONDS).text
    assert "retired" in listed
    assert staffed.terminal.run("audit", "fsck").status == 0
    assert staffed.terminal.run("keys", "rotate", "--fonds", FONDS, "--login", settled.login, "--what", "log").status == 2


# The steps that sign-ins of this module have spent, by the app's key; the first one was spent when the factor was enrolled.
_SPENT: dict[str, int] = {}


def _fresh_code(settled: Settled) -> str:
    """A code no sign-in has spent: that of the next half minute is taken early, and then one has to wait."""
    app, wanted = pyotp.TOTP(settled.factor), _SPENT.get(settled.factor, 0) + 1
    while (step := int(SystemClock().now().timestamp()) // 30 + 1) < wanted:
        time.sleep(0.5)
    _SPENT[settled.factor] = step
    return app.at(step * 30)
