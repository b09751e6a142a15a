"""The published log without sign-in: what outsiders may fetch, what they may not, and what they never get before it is signed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pyotp
import pytest

from audit.errors import NoSuchTile
from audit.events import Actor
from audit.restoring import Admission, admit_restored
from fresh_databases import FreshDatabases
from log_life import grow, signed_up_to, without_publisher
from reviews import proofs
from service.cli.door import Door
from service.cli.log_copy import copy_log
from small_archive import FONDS, OTHER_FONDS, SECRET, SmallArchive, settings_for, small_archive
from tlog.checkpoint import Checkpoint, open_checkpoint
from tlog.errors import TlogError
from tlog.merkle import HASH_SIZE, leaf_hash
from tlog.note import VerifierKey
from tlog.tiles import TILE_WIDTH, Tile, decode_bundle, root_from_tiles, tiles_between, width_at
from tlog.verify import verify_export

FOREVER = "public, max-age=31536000, immutable"


@pytest.fixture(scope="module")
def outsider(either_archive: SmallArchive) -> Iterator[httpx.Client]:
    """Somebody without an account; the log has more entries than a tile."""
    grow(either_archive.house, 300)
    with httpx.Client(base_url=either_archive.url, timeout=60) as client:
        yield client


def key_of(archive: SmallArchive, fonds: str = FONDS) -> VerifierKey:
    return VerifierKey.parse(archive.house.publishing.signers(fonds, 1).vkey)


def now(outsider: httpx.Client, archive: SmallArchive, fonds: str = FONDS) -> Checkpoint:
    """The checkpoint outsiders get, which covers at least what the house had when it was asked for."""
    signed_up_to(archive.house, fonds)
    answer = outsider.get(f"/log/{fonds}/checkpoint")
    assert answer.status_code == 200, answer.text
    return open_checkpoint(answer.content, key_of(archive, fonds))


def test_an_outsider_computes_the_signed_root_of_every_fonds_from_tiles_alone(either_archive: SmallArchive, outsider: httpx.Client) -> None:
    def read(path: str) -> bytes:
        answer = outsider.get(f"/log/{fonds}/{path}")
        assert answer.status_code == 200, (path, answer.text)
        return answer.content

    for fonds in (FONDS, OTHER_FONDS, "system"):
        checkpoint = now(outsider, either_archive, fonds)
        assert root_from_tiles(checkpoint.size, read) == checkpoint.root
        for tile in tiles_between(0, checkpoint.size):
            assert len(read(tile.path())) == tile.width * HASH_SIZE


def test_answers_have_the_types_and_the_caching_that_c2sp_asks_for(either_archive: SmallArchive, outsider: httpx.Client) -> None:
    size = now(outsider, either_archive).size
    partial = Tile(0, size // TILE_WIDTH, width_at(0, size // TILE_WIDTH, size)).path()
    for path, kind, caching in (
        ("checkpoint", "text/plain; charset=utf-8", "no-cache"),
        ("tile/0/000", "application/octet-stream", FOREVER),
        ("tile/0/000.p/3", "application/octet-stream", FOREVER),
        (partial, "application/octet-stream", FOREVER),
    ):
        answer = outsider.get(f"/log/{FONDS}/{path}")
        assert (answer.status_code, answer.headers["Content-Type"], answer.headers["Cache-Control"]) == (200, kind, caching)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        head = outsider.head(f"/log/{FONDS}/{path}")
        assert (head.status_code, head.content) == (200, b"")
        if path != "checkpoint":
            assert (head.headers["ETag"], head.headers["Content-Length"]) == (answer.headers["ETag"], str(len(answer.content)))
            again = outsider.get(f"/log/{FONDS}/{path}", headers={"If-None-Match": f'"other", W/{answer.headers["ETag"]}'})
            assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", answer.headers["ETag"])
    tag = outsider.get(f"/log/{FONDS}/checkpoint").headers["ETag"]
    grow(either_archive.house, 1)
    signed_up_to(either_archive.house)
    changed = outsider.get(f"/log/{FONDS}/checkpoint", headers={"If-None-Match": tag})
    assert (changed.status_code, changed.headers["ETag"] != tag) == (200, True)


def test_every_width_up_to_the_published_size_is_there_and_begins_the_full_tile(
    either_archive: SmallArchive, outsider: httpx.Client
) -> None:
    size = now(outsider, either_archive).size
    full = outsider.get(f"/log/{FONDS}/tile/0/000").content
    for width in (1, 2, 127, 255):
        assert outsider.get(f"/log/{FONDS}/tile/0/000.p/{width}").content == full[: width * HASH_SIZE]
    level, rest = size // TILE_WIDTH, size % TILE_WIDTH
    edge = outsider.get(f"/log/{FONDS}/tile/0/{level:03}.p/{rest}").content
    assert outsider.get(f"/log/{FONDS}/tile/0/{level:03}.p/1").content == edge[:HASH_SIZE]


NONSENSE = (
    "0/999", "0/0", "x", "64/000", "0/000.p/0", "0/000.p/256", "0/000.p/03", "00/000", "0/x000/000", "0/000/", "0/", "-1/000", "8/000",
    "entries", "0/000.p/1.p/1", "0/%00", "9" * 400, "0/" + "x999/" * 200 + "999", "0/..%2f..%2fentries/000", "%65ntries", "data/000",
)  # fmt: skip


def test_what_is_not_there_is_not_found_however_it_is_spelled(either_archive: SmallArchive, outsider: httpx.Client) -> None:
    now(outsider, either_archive)
    for log in (
        "F009",
        "f001",
        "SYSTEM",
        f"{FONDS}/1",
        f"{FONDS}/2",
        f"{FONDS}/02",
        f"{FONDS}/1730000000",
        f"{FONDS}/",
        "%00",
        "a%2fb",
        "全宗",
        "-",
        "x" * 300,
    ):
        for path in ("checkpoint", "tile/0/000", "tile/0/000.p/1"):
            answer = outsider.get(f"/log/{log}/{path}")
            assert (answer.status_code, answer.json()["code"]) == (404, "tile-not-found"), (log, path, answer.text)
    for path in NONSENSE:
        for method in ("GET", "HEAD"):
            assert outsider.request(method, f"/log/{FONDS}/tile/{path}").status_code == 404, (method, path)
    assert outsider.post(f"/log/{FONDS}/checkpoint").status_code == 405
    assert outsider.get(f"/log/{FONDS}/").json()["code"] == "no-such-route"


def test_nothing_past_the_latest_checkpoint_is_served_to_anybody(either_archive: SmallArchive, outsider: httpx.Client) -> None:
    size = now(outsider, either_archive).size
    with without_publisher(either_archive.house):
        grow(either_archive.house, 2 * TILE_WIDTH)
        assert outsider.get(f"/log/{FONDS}/checkpoint").text.split("\n")[1] == str(size)
        n, rest = divmod(size, TILE_WIDTH)
        assert outsider.get(f"/log/{FONDS}/tile/0/{n:03}.p/{rest}").status_code == 200
        with either_archive.as_("auditadmin") as auditadmin:
            for tile in (Tile(0, n, rest + 1), Tile(0, n), Tile(0, n + 1, 1), Tile(0, n + 1), Tile(1, 0, n + 1), Tile(2, 0, 1)):
                assert outsider.get(f"/log/{FONDS}/{tile.path()}").status_code == 404, tile
                assert outsider.head(f"/log/{FONDS}/{tile.path()}").status_code == 404, tile
            for path in (f"{n:03}.p/{rest + 1}", f"{n:03}", f"{n + 1:03}"):
                assert auditadmin.get(f"/log/{FONDS}/tile/entries/{path}").status_code == 404, path
    assert now(outsider, either_archive).size >= size + 2 * TILE_WIDTH
    assert outsider.get(f"/log/{FONDS}/{Tile(0, n).path()}").status_code == 200


def test_entries_are_for_those_who_may_export_their_own_fonds_log_on_record(either_archive: SmallArchive, outsider: httpx.Client) -> None:
    now(outsider, either_archive)
    bundles = f"/log/{FONDS}/tile/entries"
    assert outsider.get(f"{bundles}/000").status_code == 401
    for spelled in (
        f"{bundles}%2f000",
        f"/log/{FONDS}/tile/entries%2f000",
        f"/log/{FONDS}/tile//entries/000",
        f"/log/{FONDS}/x/tile/entries/000",
    ):
        answer = outsider.get(spelled)
        assert (answer.status_code in {401, 404}, b"kind" in answer.content) == (True, False), spelled
    assert outsider.head(f"{bundles}/000").status_code in {404, 405}
    with pytest.raises(NoSuchTile):
        proofs.hashes(either_archive.house.desk, FONDS, "entries/000", None)
    exported = len(either_archive.entries("log.exported"))
    for name in ("inspector", "principal", "handler", "sysadmin", "secadmin"):
        with either_archive.as_(name) as nobody:
            assert nobody.get(f"{bundles}/000").json()["code"] == "not-permitted", name
    with either_archive.as_system() as system:
        assert system.get(f"{bundles}/000").status_code == 403
    with either_archive.as_("auditadmin") as auditadmin:
        found = auditadmin.get(f"{bundles}/000")
        assert leaf_hash(decode_bundle(found.content, TILE_WIDTH)[0]) == outsider.get(f"/log/{FONDS}/tile/0/000").content[:HASH_SIZE]
        assert found.headers["Cache-Control"] == "no-store"
        assert len(either_archive.entries("log.exported")) == exported + 1
        for log in (OTHER_FONDS, "system", "F009", f"{FONDS}/2"):
            assert auditadmin.get(f"/log/{log}/tile/entries/000.p/1").status_code == 404, log
        for path in ("0", "000.p/0", "999", "x000/000", "%00"):
            assert auditadmin.get(f"{bundles}/{path}").status_code == 404, path
    assert len(either_archive.entries("log.exported")) == exported + 1


def test_outsiders_never_take_the_threads_that_staff_work_with(
    either_archive: SmallArchive, outsider: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hundred readers whose reads hang leave everybody else at work."""
    size = now(outsider, either_archive).size
    assert size
    go, hanging = threading.Event(), threading.Semaphore(0)
    real = proofs.hashes

    def hangs(*given: object) -> bytes:
        hanging.release()
        go.wait(60)
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(proofs, "hashes", hangs)
    answers: list[int] = []

    def ask() -> None:
        answers.append(httpx.get(f"{either_archive.url}/log/{FONDS}/tile/0/000", timeout=90).status_code)

    askers = [threading.Thread(target=ask) for _ in range(200)]
    for asker in askers:
        asker.start()
    try:
        for _ in range(either_archive.settings.threads // 8):
            assert hanging.acquire(timeout=30)
        assert not hanging.acquire(timeout=0.5)
        with either_archive.as_("inspector") as inspector:
            for _ in range(5):
                assert inspector.get("/v1/me").status_code == 200
    finally:
        go.set()
        for asker in askers:
            asker.join()
    assert answers == [200] * 200


def test_an_archive_may_keep_its_log_to_those_who_are_signed_in(fresh_databases: FreshDatabases, tmp_path: Path) -> None:
    with fresh_databases.fresh("sqlite") as urls, small_archive(urls, tmp_path, public_log=False) as archive:
        signed_up_to(archive.house)
        for path in ("checkpoint", "tile/0/000.p/1", "tile/entries/000.p/1"):
            for log in (FONDS, "F009"):
                for headers in ({}, {"Authorization": "Bearer x.y.z"}):
                    assert archive.http.get(f"{archive.url}/log/{log}/{path}", headers=headers).status_code == 401, path
        with archive.as_("inspector") as inspector, archive.as_system() as system, archive.as_("handler") as handler:
            for reader in (inspector, system):
                answer = reader.get(f"/log/{FONDS}/checkpoint")
                assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
                assert reader.get(f"/log/{FONDS}/tile/0/000.p/1").headers["Cache-Control"] == "no-store"
                for other in (OTHER_FONDS, "system"):
                    assert reader.get(f"/log/{other}/checkpoint").status_code == 404
                    assert reader.get(f"/log/{other}/tile/0/000.p/1").status_code == 404
            assert handler.get(f"/log/{FONDS}/checkpoint").json()["code"] == "not-permitted"
            assert handler.get(f"/log/{FONDS}/tile/0/000.p/1").json()["code"] == "not-permitted"


def test_a_log_restored_and_admitted_is_at_another_address_so_no_cache_mixes_two_histories(
    fresh_databases: FreshDatabases, tmp_path: Path
) -> None:
    with fresh_databases.fresh("sqlite") as urls, small_archive(urls, tmp_path) as archive:
        house = archive.house
        key = VerifierKey.parse(house.publishing.signers(FONDS, 1).vkey)
        signed_up_to(house)
        old = Checkpoint.parse(archive.http.get(f"{archive.url}/log/{FONDS}/checkpoint").text.partition("\n\n")[0] + "\n")
        with without_publisher(house):
            house.publishing.anchors.path(FONDS).unlink()
            admit_restored(house.publishing, house.desk.uow, FONDS, Admission(Actor()))
            house.publishing.publish(FONDS)
        moved = archive.http.get(f"{archive.url}/log/{FONDS}/checkpoint")
        assert (moved.status_code, moved.headers["Cache-Control"]) == (307, "no-store")
        answer = archive.http.get(f"{archive.url}/log/{FONDS}/checkpoint", follow_redirects=True)
        life = answer.url.path.removesuffix("/checkpoint").rpartition("/")[2]
        assert answer.url.path == f"/log/{FONDS}/{life}/checkpoint"
        assert answer.text.split("\n")[0] == f"{old.origin}/{life}"
        with pytest.raises(TlogError):
            open_checkpoint(answer.content, key)
        assert archive.http.get(f"{archive.url}/log/{FONDS}/{life}/tile/0/000.p/1").status_code == 200
        assert archive.http.get(f"{archive.url}/log/{FONDS}/tile/0/000.p/1").status_code == 404
        assert archive.http.get(f"{archive.url}/log/{FONDS}/{int(life) + 1}/checkpoint").status_code == 404
        with Door(archive.url) as door:  # as `audit export --url` goes
            code = pyotp.TOTP(archive.people["auditadmin"].factor or "").at(archive.clock.now())
            door.sign_in(FONDS, "auditadmin", SECRET, code)
            signed_up_to(house)
            size = copy_log(door.log_file, tmp_path / "copy")
        report = verify_export(tmp_path / "copy", VerifierKey.parse(house.publishing.signers(FONDS, int(life)).vkey))
        assert report.checkpoint.size == size > old.size
        archive.clock.advance(60)
        with archive.as_("auditadmin") as auditadmin:
            assert auditadmin.get(f"/log/{FONDS}/{life}/tile/entries/000.p/1").status_code == 200
            assert auditadmin.get(f"/log/{FONDS}/tile/entries/000.p/1").status_code == 404


def test_the_public_log_is_on_unless_it_is_switched_off(fresh_databases: FreshDatabases, tmp_path: Path) -> None:
    with fresh_databases.fresh("sqlite") as urls:
        assert settings_for(urls, tmp_path).public_log is True


def test_a_checkpoint_is_served_within_seconds_of_an_act(either_archive: SmallArchive, outsider: httpx.Client) -> None:
    size = now(outsider, either_archive).size
    either_archive.deposited()
    deadline = time.monotonic() + 20
    while int(outsider.get(f"/log/{FONDS}/checkpoint").text.split("\n")[1]) <= size:
        assert time.monotonic() < deadline
        time.sleep(0.05)
