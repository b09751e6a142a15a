"""Errors of deciding. Texts never name a person, a value or another fonds' case."""

from __future__ import annotations

from foundation.errors import ArchiveError
from policies.chain import StageVerdict


class Refused(ArchiveError):
    """A decision refused the act. `reason` is the stable code of policies.permit.REFUSALS, `zh` and `en` its general words."""

    code = "refused"
    zh = "{zh}"
    en = "{en}"

    def __init__(self, reason: str, zh: str, en: str, stages: tuple[StageVerdict, ...] = ()) -> None:
        """Keep the reason's code and words, and for a form nobody could approve which stages can be decided."""
        super().__init__(reason=reason, zh=zh, en=en)
        self.reason = reason
        self.stages = stages
