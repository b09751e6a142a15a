"""Errors of deciding. Texts never name a person, a value or another fonds' case."""

from __future__ import annotations

from foundation.errors import ArchiveError


class Refused(ArchiveError):
    """A decision refused the act. `reason` is the stable code of policies.permit.REFUSALS, `zh` and `en` its general words."""

    code = "refused"
    zh = "{zh}"
    en = "{en}"

    def __init__(self, reason: str, zh: str, en: str) -> None:
        """Keep the reason's code and words."""
        super().__init__(reason=reason, zh=zh, en=en)
        self.reason = reason
