"""The reasons people give for their acts: free text, sealed beside the log, never in an entry."""

from __future__ import annotations

from acts.desk import Desk, log_detail
from audit.events import SealedDetail
from foundation.errors import Fault, InvalidInput
from vault.details import seal_detail

REASON_LENGTH = 2000


def reason_faults(reason: object, *, required: bool) -> list[Fault]:
    """What is wrong with a reason: nothing, or that it is no text, is needed and blank, or is too long."""
    if not isinstance(reason, str) or (required and not reason.strip()):
        return [Fault("reason", "required", "请写明理由。", "State the reason.")]
    if len(reason) > REASON_LENGTH:
        return [Fault("reason", "too-long", f"理由不超过 {REASON_LENGTH} 字。", f"The reason has at most {REASON_LENGTH} characters.")]
    return []


def check_reason(reason: object, *, required: bool) -> None:
    """InvalidInput for a reason that `reason_faults` finds wrong."""
    if faults := reason_faults(reason, required=required):
        raise InvalidInput(faults)


def sealed(desk: Desk, fonds: str, text: str, name: str = "reason") -> SealedDetail:
    """A text sealed under the fonds' key for such texts, to lie beside the log under `name`."""
    return log_detail(name, seal_detail(desk.keys.detail_key(fonds), fonds, name, text))
