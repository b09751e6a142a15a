r"""An entry as one line of ArcSight Common Event Format (CEF, version 0; Implementation Standard, revision 25).

Header fields escape backslash and bar, values of the extension backslash and equals sign; line breaks become `\n` and `\r` in values, and
spaces in the header, where there may be none. The key names are those of the standard's dictionary.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from audit.kinds import KINDS
from foundation.clock import parse_iso, to_ms
from reviews.copies_rows import VERSION, Row

VENDOR: Final = "Petition Archive"
PRODUCT: Final = "petition-archive"
_HEADER: Final = str.maketrans({"\\": "\\\\", "|": "\\|", "\n": " ", "\r": " "})
_VALUE: Final = str.maketrans({"\\": "\\\\", "=": "\\=", "\n": "\\n", "\r": "\\r"})
# 0 to 10: what was refused stands out, then what may have shown somebody something in clear.
_REFUSED, _CLEAR, _OTHER = 5, 3, 1


def cef_line(header: Iterable[object], extension: Iterable[tuple[str, object]]) -> str:
    """`CEF:0|…|key=value …` of these header fields and (key, value) pairs; a pair whose value is empty is left out."""
    named = " ".join(f"{name}={str(value).translate(_VALUE)}" for name, value in extension if value != "")
    return f"CEF:0|{'|'.join(str(one).translate(_HEADER) for one in header)}|{named}"


def cef(row: Row) -> str:
    """The line of an entry: what it is about, who did it, how it ended, and where it stands in the log. No list of cases or fields."""
    known = KINDS.get(row.kind)
    refused = row.text("verdict") == "refuse"
    clear = known is not None and known.discloses and known.group == "access"
    pairs: list[tuple[str, object]] = [
        ("rt", to_ms(parse_iso(row.text("time")))),
        ("externalId", row.text("id")),
        ("cat", "" if known is None else known.group),
        ("outcome", {"permit": "success", "refuse": "failure"}.get(row.text("verdict"), "")),
        ("reason", row.text("reason")),
        ("suid", row.actor.get("account", "")),
        ("suser", row.actor.get("person", "")),
        ("spriv", row.actor.get("role", "")),
        ("sourceServiceName", row.actor.get("client", "")),
        ("cn1Label", "index"),
        ("cn1", row.index),
        ("cs1Label", "leafHash"),
        ("cs1", row.leaf.hex()),
        ("cs2Label", "fonds"),
        ("cs2", row.fonds),
    ]
    about = f"{row.about['kind']}:{row.about['id']}" if row.about else ""
    labelled = (
        ("cs3", "object", about),
        ("cs4", "purpose", row.text("purpose")),
        ("cs5", "grant", row.text("grant")),
        ("cs6", "requestId", row.text("request_id")),
        ("cn2", "cases", len(row.members.get("cases", ())) or ""),
        ("cn3", "fields", len(row.members.get("fields", ())) or ""),
        ("flexString1", "unit", row.actor.get("unit", "")),
        ("flexString2", "session", row.actor.get("session", "")),
    )
    for key, label, value in labelled:
        if value != "":
            pairs += [(f"{key}Label", label), (key, value)]
    severity = _REFUSED if refused else _CLEAR if clear else _OTHER
    return cef_line((VENDOR, PRODUCT, VERSION, row.kind, row.kind if known is None else known.en, severity), pairs)
