"""Run alone, with the checkers of tests/tlog/checkers.lock on the path: a log held against `aics-tlog`, and its root against `pymerkle`.

    python aics_check.py DIR VKEY [OLD_CHECKPOINT]

Prints one line and exits with 0, or says what is wrong and exits with 1, as the checker in Go does.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

aics: Any = import_module("aics_tlog")
bundles: Any = import_module("aics_tlog.tiles")
pymerkle: Any = import_module("pymerkle")


def opened(data: bytes, key: Any) -> Any:
    """A checkpoint that the key signed for its own log."""
    found = aics.verify_checkpoint(aics.parse_note(data), key, expected_origin=key.name)
    if not found.ok:
        raise ValueError(found.error)
    return found


def check(log: Path, vkey: str, older: Path | None) -> str:
    """Hold every tile and bundle, the root of all entries, and an older checkpoint against the signed root. ValueError, OSError."""
    key = aics.parse_vkey(vkey)
    now, reader, tree = opened((log / "checkpoint").read_bytes(), key), aics.FileSystemTileReader(log), pymerkle.InmemoryTree("sha256")
    aics.audit_tiles(reader, now.size, now.root)
    for n in range(-(-now.size // 256)):
        width = min(256, now.size - 256 * n)
        data = reader.read_entry_bundle(n, None if width == 256 else width)
        tree.append_entries(bundles.parse_entry_bundle(data))
    if tree.get_root() != now.root:
        raise ValueError("the root of the entries is not the signed one")
    said = f"{key.name}: {now.size} entries"
    if older is None:
        return said
    old = opened(older.read_bytes(), key)
    proof = aics.consistency_proof_from_tiles(reader, old.size, now.size)
    if not aics.verify_consistency(old.size, now.size, old.root, now.root, proof) or tree.get_root(old.size) != old.root:
        raise ValueError("the older checkpoint is not of this history")
    return f"{said}, extends {old.size}"


def main(log: str, vkey: str, older: str = "") -> int:
    """The exit status."""
    try:
        said = check(Path(log), vkey, Path(older) if older else None)
    except (ValueError, OSError) as error:
        print(f"rejected: {error}")
        return 1
    print(f"accepted: {said}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
