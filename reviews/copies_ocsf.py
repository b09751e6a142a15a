"""An entry as an event of the Open Cybersecurity Schema Framework (OCSF), version 1.5.0.

Sign-ins and tokens are Authentication (3002), what is done to people, units, keys and grants Entity Management (3004), everything else,
and any kind that is not named here, API Activity (6003). The entry itself is `raw_data`, so that the event can be hashed again.
"""

from __future__ import annotations

from typing import Any, Final

from foundation.clock import parse_iso, to_ms
from reviews.copies_rows import VERSION, Row

OCSF_VERSION: Final = "1.5.0"
AUTHENTICATION, ENTITY, API = 3002, 3004, 6003
_CLASS_NAMES: Final = {AUTHENTICATION: "Authentication", ENTITY: "Entity Management", API: "API Activity"}
_CATEGORIES: Final = {3: "Identity & Access Management", 6: "Application Activity"}
# Activities, as the three classes number and name them.
NAMES: Final = {
    AUTHENTICATION: {1: "Logon", 2: "Logoff", 3: "Authentication Ticket"},
    ENTITY: {1: "Create", 3: "Update", 4: "Delete", 5: "Move", 8: "Enable", 9: "Disable", 10: "Activate", 11: "Deactivate"},
    API: {1: "Create", 2: "Read", 3: "Update", 4: "Delete", 99: "Other"},
}
_SERVICE: Final = {"name": "petition-archive"}
ACTIVITIES: Final[dict[str, tuple[int, int]]] = {
    "session.opened": (AUTHENTICATION, 1),
    "session.refused": (AUTHENTICATION, 1),
    "session.closed": (AUTHENTICATION, 2),
    "session.revoked": (AUTHENTICATION, 2),
    "client.token-issued": (AUTHENTICATION, 3),
    "client.token-refused": (AUTHENTICATION, 3),
    **dict.fromkeys(("account.created", "person.registered", "unit.created", "post.created"), (ENTITY, 1)),
    **dict.fromkeys(("client.registered", "grant.made", "key.generated", "fonds.created"), (ENTITY, 1)),
    **dict.fromkeys(("secret.changed", "secret.reset", "factor.enrolled", "factor.reset"), (ENTITY, 3)),
    **dict.fromkeys(("post.held", "post.left", "key.rotated", "key.relocked"), (ENTITY, 3)),
    **dict.fromkeys(("account.closed", "unit.ended", "post.ended", "client.revoked"), (ENTITY, 4)),
    **dict.fromkeys(("unit.renamed", "unit.moved"), (ENTITY, 5)),
    "account.unblocked": (ENTITY, 8),
    "account.blocked": (ENTITY, 9),
    "grant.revoked": (ENTITY, 9),
    "rulebook.activated": (ENTITY, 10),
    "person.left": (ENTITY, 11),
    "grant.returned": (ENTITY, 11),
    **dict.fromkeys(("case.deposited", "import.started", "request.filed"), (API, 1)),
    **dict.fromkeys(("case.viewed", "case.listed", "case.searched", "case.faceted", "case.searched-by-identity"), (API, 2)),
    **dict.fromkeys(("access.intent", "access.outcome", "case.reopened", "receipt.fetched", "requests.listed"), (API, 2)),
    **dict.fromkeys(("office.listed", "log.queried", "log.exported"), (API, 2)),
    **dict.fromkeys(("case.supplemented", "case.corrected", "case.access-changed", "import.finished"), (API, 3)),
    **dict.fromkeys(("request.withdrawn", "request.approved", "request.trimmed-approved", "request.refused"), (API, 3)),
    "log.stream-begun": (API, 1),
    **dict.fromkeys(("log.detail-erased", "log.stream-ended"), (API, 4)),
}


def ocsf(row: Row) -> dict[str, Any]:
    """The event of an entry. Only members that OCSF knows; what it has no place for stands in `unmapped`."""
    class_uid, activity = ACTIVITIES.get(row.kind, (API, 99))
    refused = row.text("verdict") == "refuse"
    about = row.about
    if class_uid == ENTITY and not about:  # an entity is named, or it is none
        class_uid, activity = API, 99
    event: dict[str, Any] = {
        "activity_id": activity,
        "activity_name": NAMES[class_uid][activity],
        "actor": _actor(row),
        "category_name": _CATEGORIES[class_uid // 1000],
        "category_uid": class_uid // 1000,
        "class_name": _CLASS_NAMES[class_uid],
        "class_uid": class_uid,
        "metadata": _metadata(row),
        "raw_data": row.body.decode("ascii"),
        "severity": "Low" if refused else "Informational",
        "severity_id": 2 if refused else 1,
        "src_endpoint": {"name": str(row.actor.get("client", "other"))},
        "status": "Failure" if refused else "Success",
        "status_id": 2 if refused else 1,
        "time": to_ms(parse_iso(row.text("time"))),
        "type_name": f"{_CLASS_NAMES[class_uid]}: {NAMES[class_uid][activity]}",
        "type_uid": class_uid * 100 + activity,
        "unmapped": _unmapped(row),
    }
    if row.text("reason"):
        event["status_code"] = row.text("reason")
    if class_uid == AUTHENTICATION:
        event |= _signed_in(row)
    elif class_uid == ENTITY:
        event["entity"] = _thing(row)
    else:
        event["api"] = {"operation": row.kind, "service": _SERVICE}
        if row.text("request_id"):
            event["api"]["request"] = {"uid": row.text("request_id")}
        resources = [{"type": "case", "uid": case_id} for case_id in row.members.get("cases", ())]
        if about:
            resources.insert(0, _thing(row))
        if resources:
            event["resources"] = resources
    return event


def _actor(row: Row) -> dict[str, Any]:
    actor: dict[str, Any] = {"app_name": "petition-archive"}
    if "account" in row.actor or "person" in row.actor:
        actor["user"] = _user(row)
    if "session" in row.actor:
        actor["session"] = {"is_mfa": row.actor["assurance"] >= 2, "uid": row.actor["session"]}
    return actor


def _user(row: Row) -> dict[str, Any]:
    """The acting account, or the person where no account is named."""
    user: dict[str, Any] = {"uid": row.actor.get("account") or row.actor["person"], "type": row.actor["role"], "type_id": 99}
    if "person" in row.actor:
        user["uid_alt"] = row.actor["person"]
    if "unit" in row.actor:
        user["org"] = {"ou_uid": row.actor["unit"], "uid": row.fonds}
    return user


def _signed_in(row: Row) -> dict[str, Any]:
    """Whose session or token it is: the account the entry is about, the actor where it is about none, and nobody known otherwise."""
    about, user = row.about, {"name": "unknown"}
    if about.get("kind") in {"account", "client"}:
        user = {"uid": str(about["id"])}
    elif "account" in row.actor:
        user = _user(row)
    found: dict[str, Any] = {"service": _SERVICE, "user": user}
    if about.get("kind") == "session":
        found["session"] = {"uid": str(about["id"])}
    if row.kind == "session.opened":
        found["is_mfa"] = row.actor["assurance"] >= 2
    return found


def _thing(row: Row) -> dict[str, Any]:
    thing = {"type": str(row.about["kind"]), "uid": str(row.about["id"])}
    return thing | ({"version": str(row.about["version"])} if "version" in row.about else {})


def _metadata(row: Row) -> dict[str, Any]:
    metadata = {
        "event_code": row.kind,
        "log_name": f"audit/{row.fonds}",
        "log_version": str(VERSION),
        "original_time": row.text("time"),
        "product": {"name": "petition-archive", "vendor_name": "Petition Archive"},
        "sequence": row.index,
        "tenant_uid": row.fonds,
        "uid": row.text("id"),
        "version": OCSF_VERSION,
    }
    return metadata | ({"correlation_uid": row.text("request_id")} if row.text("request_id") else {})


def _unmapped(row: Row) -> dict[str, Any]:
    found: dict[str, Any] = {"fonds": row.fonds, "index": row.index, "leaf_hash": row.leaf.hex(), "verdict": row.text("verdict")}
    found |= {name: row.text(name) for name in ("purpose", "grant", "policy_version") if row.text(name)}
    return found | ({"fields": list(row.members["fields"])} if "fields" in row.members else {})
