"""An archive that asks its witnesses, seen from outside: what it serves carries their word, and nothing waits for it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pyotp
import pytest

from audit.witnessing import Panel, must_be_witnessed
from command_line import Terminal
from foundation.errors import ArchiveError
from fresh_databases import DatabaseUrls, FreshDatabases
from petition_archive_client.notes import LogKey, open_checkpoint
from service import cosigning
from service.wiring import open_archive
from service.witness.judging import Witness
from service.witnesses import WitnessesRefused, read_witnesses
from signed_log import SigningKey
from small_archive import FONDS, SECRET, SmallArchive, settings_for, small_archive
from tlog.note import VerifierKey
from tlog.proof import LogProof
from witness_scene import made_witness, served_witness

DEAD = VerifierKey.parse(SigningKey.from_seed("witness.invalid/dead", 9).vkey(4))


@dataclass
class Scene:
    """The archive, its log's key, and the witness of three that answers."""

    archive: SmallArchive
    key: VerifierKey
    witness: Witness


def listed(quorum: int, *asked: tuple[str, VerifierKey]) -> str:
    head = f"quorum = {quorum}\nevery_seconds = 0.05\n"
    return head + "".join(f'[[witness]]\nurl = "{url}"\nvkey = "{key}"\n' for url, key in asked)


@pytest.fixture(scope="module")
def scene(fresh_databases: FreshDatabases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("witnessed")
    witness = made_witness(folder / "w1")
    with (
        pytest.MonkeyPatch.context() as patch,
        socket.create_server(("127.0.0.1", 0)) as silent,
        fresh_databases.fresh("sqlite") as urls,
        served_witness(witness) as url,
    ):
        patch.setattr(cosigning, "WAIT_SECONDS", 0.5)
        patch.setattr(cosigning, "SHORTEST_PAUSE", 0.05)
        patch.setattr(cosigning, "LONGEST_PAUSE", 0.1)
        witnesses = folder / "witnesses.toml"
        witnesses.write_text(listed(1, (url, witness.folder.key), (f"http://127.0.0.1:{silent.getsockname()[1]}", DEAD)))
        with small_archive(urls, folder, witnesses=witnesses) as archive:
            key = VerifierKey.parse(archive.house.publishing.signers(FONDS, 1).vkey)
            witness.folder.trust(key)
            yield Scene(archive, key, witness)


def until(ask: Callable[[], httpx.Response], enough: Callable[[httpx.Response], bool]) -> httpx.Response:
    end = time.monotonic() + 30
    while not enough(answer := ask()):
        assert time.monotonic() < end, answer.text
        time.sleep(0.05)
    return answer


def test_the_checkpoint_that_is_served_carries_the_witness_s_word_as_soon_as_it_has_it(scene: Scene) -> None:
    http, witness = scene.archive.http, scene.witness.folder.key
    scene.archive.deposited()
    address = f"{scene.archive.url}/log/{FONDS}"
    carried = until(lambda: http.get(f"{address}/checkpoint"), lambda answer: witness.name in answer.text)
    ((said, _),) = must_be_witnessed(carried.content, scene.key, Panel((witness, DEAD), 1))
    assert said == witness
    shown = http.get(f"{address}/witnessed-checkpoint")
    must_be_witnessed(shown.content, scene.key, Panel((witness,), 1))
    assert http.get(f"{address}/witnessed-checkpoint", headers={"If-None-Match": shown.headers["ETag"]}).status_code in {200, 304}
    assert http.head(f"{address}/witnessed-checkpoint").status_code == 200
    # The witness knows one log of this archive and not the other.
    assert http.get(f"{scene.archive.url}/log/F002/witnessed-checkpoint").status_code == 404
    assert http.get(f"{scene.archive.url}/log/F002/checkpoint").status_code == 200


def test_a_depositor_s_receipt_proves_its_entry_under_a_witnessed_checkpoint(scene: Scene) -> None:
    witness = scene.witness.folder.key
    with scene.archive.as_system() as system:
        proof_url = system.post("/v1/cases", json=scene.archive.record()).json()["proof_url"]
        answer = until(lambda: system.get(proof_url), lambda answer: answer.status_code == 200 and witness.name in answer.text)
    proof = LogProof.parse(answer.content)
    assert proof.extra is not None
    proof.verify(proof.extra, scene.key)
    assert must_be_witnessed(proof.checkpoint, scene.key, Panel((witness, DEAD), 1))
    # A depositor's client that knows of no witness passes over the line.
    assert open_checkpoint(proof.checkpoint, LogKey.parse(str(scene.key))).size > proof.index


def test_a_dead_witness_delays_no_deposit_and_no_look_and_is_told_in_the_metrics(scene: Scene) -> None:
    began = time.monotonic()
    for _ in range(5):
        scene.archive.deposited()
    assert time.monotonic() - began < 10
    dead = f'fonds="{FONDS}",witness="{DEAD.name}"'
    scene.archive.clock.advance(2)
    shown = until(
        lambda: scene.archive.http.get(f"{scene.archive.url}/metrics"),
        lambda answer: f'archive_log_witness_failing{{code="witness-unreachable",{dead}}} 1.0' in answer.text,
    ).text
    values = dict(line.rsplit(" ", 1) for line in shown.splitlines() if line.startswith("archive_log_witness"))
    assert float(values[f"archive_log_witness_behind_entries{{{dead}}}"]) > 5
    assert float(values[f"archive_log_witness_behind_seconds{{{dead}}}"]) >= 2
    until(
        lambda: scene.archive.http.get(f"{scene.archive.url}/log/{FONDS}/checkpoint"),
        lambda answer: scene.witness.folder.key.name in answer.text,
    )


def test_an_export_over_http_can_end_at_what_was_witnessed(scene: Scene, tmp_path: Path) -> None:
    scene.archive.deposited()
    witness = scene.witness.folder.key
    until(lambda: scene.archive.http.get(f"{scene.archive.url}/log/{FONDS}/witnessed-checkpoint"), lambda answer: answer.status_code == 200)
    auditor = scene.archive.people["auditadmin"]
    assert auditor.factor is not None
    scene.archive.clock.advance(60)
    typed = f"{SECRET}\n{pyotp.TOTP(auditor.factor).at(scene.archive.clock.now())}\n"
    words = ("--fonds", FONDS, "--url", scene.archive.url, "--login", auditor.login, "--key", str(scene.key), "--witnessed")
    terminal = Terminal(Path("/nonexistent"), {})
    said = terminal.run("audit", "export", str(tmp_path / "out"), *words, typed=typed)
    assert said.status == 0, said.text
    checked = terminal.run("audit", "verify", str(tmp_path / "out"), "--key", str(scene.key), "--witness", str(witness))
    assert checked.status == 0, checked.text


WITNESS = f'[[witness]]\nurl = "https://witness.invalid"\nvkey = "{DEAD}"\n'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "quorum = 1",
        "quorum = ",
        f"quorum = 0\n{WITNESS}",
        f"quorum = 2\n{WITNESS}",
        f"quorum = true\n{WITNESS}",
        f"{WITNESS}",
        f"quorum = 1\nqorum_of = {{}}\n{WITNESS}",
        f"quorum = 1\nquorum_of = 1\n{WITNESS}",
        f"quorum = 1\nquorum_of = {{F001 = 2}}\n{WITNESS}",
        f"quorum = 1\nevery_seconds = 0\n{WITNESS}",
        f"quorum = 1\nevery_seconds = '5'\n{WITNESS}",
        f"quorum = 1\n{WITNESS}{WITNESS}",
        f"quorum = 1\n{WITNESS}name = 'x'\n",
        f"quorum = 1\n{WITNESS}ca = '/nonexistent'\n",
        f"quorum = 1\n[[witness]]\nurl = 'https://witness.invalid'\nvkey = '{DEAD}x'\n",
        f"quorum = 1\n[[witness]]\nurl = 'ftp://witness.invalid'\nvkey = '{DEAD}'\n",
        f"quorum = 1\n[[witness]]\nurl = 'https://user@witness.invalid'\nvkey = '{DEAD}'\n",
        f"quorum = 1\n[[witness]]\nvkey = '{DEAD}'\n",
        # A log's key is no witness's.
        f"quorum = 1\n[[witness]]\nurl = 'https://witness.invalid'\nvkey = '{SigningKey.from_seed('archive.invalid/F001', 1).vkey()}'\n",
    ],
)
def test_a_list_of_witnesses_that_cannot_be_used_is_refused_as_a_whole(tmp_path: Path, text: str) -> None:
    file = tmp_path / "witnesses.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(WitnessesRefused) as refused:
        read_witnesses(file)
    assert str(file) in refused.value.text_zh
    with pytest.raises(WitnessesRefused):
        read_witnesses(tmp_path / "absent.toml")


def test_a_list_of_witnesses_is_read_as_it_is_documented(tmp_path: Path) -> None:
    file = tmp_path / "witnesses.toml"
    file.write_text(f"quorum = 1\n[quorum_of]\nsystem = 1\n{WITNESS}", encoding="utf-8")
    read = read_witnesses(file)
    assert (read.panel.keys, read.panel.needed("system"), read.every_seconds) == ((DEAD,), 1, 10.0)
    assert read_witnesses(None).panel.keys == ()


def test_an_archive_whose_list_of_witnesses_is_wrong_does_not_start(database_urls: DatabaseUrls, tmp_path: Path) -> None:
    file = tmp_path / "witnesses.toml"
    file.write_text("quorum = 1", encoding="utf-8")
    with small_archive(database_urls, tmp_path):
        pass
    with pytest.raises(ArchiveError, match="witnesses-refused"):
        open_archive(settings_for(database_urls, tmp_path, witnesses=file))
