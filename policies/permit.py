"""The two answers of a decision. A Permit opens doors, so nothing but `policies.decide` can make one.

The guard is a seal only this module and `policies.decide` hold. It stops every ordinary way round - calling the class, `replace`, `copy`,
`pickle`, subclassing - and a test reads every file of the project to hold that no third module names the seal. Code that reaches into
private names of another module could still forge one: no language feature of Python can stop that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import NoReturn

from foundation.errors import Fault
from policies.chain import StageVerdict
from policies.matrix import Trail
from policies.scope import ScopeFilter
from policies.visibility import VisibilityPlan

_SEAL = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """Leave for one act, for one principal, on one object, now.

    `view` is set for acts on a case; `scope` for lists and searches (filter every row with it); `trail` for the trail; `chain` for a
    filing. `grant_ids` are the grants that lifted something, `new_opening` whether a use must be counted before anything is opened. `rule`
    names the cell that permitted, for the audit entry.
    """

    seal: InitVar[object]
    action: str
    fonds: str
    account_id: str
    person_id: str | None
    role: str
    rule: str
    policy_version: str
    at: datetime
    object_id: str | None = None
    version: int | None = None
    view: VisibilityPlan | None = None
    scope: ScopeFilter | None = None
    trail: Trail | None = None
    chain: str | None = None
    grant_ids: tuple[str, ...] = ()
    new_opening: bool = False

    def __post_init__(self, seal: object) -> None:
        """Refuse every maker but `policies.decide`."""
        if seal is not _SEAL:
            raise TypeError("only policies.decide makes a Permit")

    def __init_subclass__(cls, **_: object) -> None:
        """A subclass could skip the seal."""
        raise TypeError("a Permit has no subclasses")

    def __reduce_ex__(self, _: object) -> NoReturn:
        """Neither copied nor pickled: a Permit lives inside one act."""
        raise TypeError("a Permit is neither copied nor stored")

    def clear(self, case_id: str, version: int) -> frozenset[str]:
        """The fields this permit shows in clear of one case version; none of any other case or version."""
        if self.view is None or (self.object_id, self.version) != (case_id, version):
            return frozenset()
        return self.view.clear


# (Chinese, English) by stable code. What must not be told apart has one code and one sentence.
REFUSALS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "not-permitted": ("您当前的角色无权进行此操作。", "Your present role does not allow this."),
        "second-factor-required": ("此操作需要双因素登录。", "This needs a session of two factors."),
        "case-not-found": ("没有找到该案卷，或您无权知悉。", "No such case, or not yours to know of."),
        "request-not-found": ("没有找到该申请，或您无权知悉。", "No such request, or not yours to know of."),
        "grant-not-found": ("没有找到该授权，或您无权知悉。", "No such grant, or not yours to know of."),
        "grant-required": ("需要有效的查询授权。", "A grant in force is needed."),
        "purpose-required": ("请说明允许的查询目的。", "State a purpose that is allowed for this."),
        "decision-not-yours": ("此申请目前不由您审批。", "This request is not yours to decide now."),
        "request-closed": ("此申请已有定论。", "This request has been concluded."),
        "request-not-acceptable": ("申请内容不符合规则。", "The form breaks rules."),
        "nobody-can-approve": ("申请无法提交：有审批环节无人可批。", "The form cannot be filed: a stage has nobody who may approve."),
    }
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A stable code and general words. Two refusals with the same `code` look the same to the caller.

    `cause` is for the audit entry alone (`wall`, `out-of-scope`, `absent`, ...); it takes no part in equality or `repr` and must never
    reach an answer. `faults` and `stages` speak about the caller's own form.
    """

    code: str
    cause: str = field(default="", compare=False, repr=False)
    faults: tuple[Fault, ...] = ()
    stages: tuple[StageVerdict, ...] = ()

    @property
    def zh(self) -> str:
        return REFUSALS[self.code][0]

    @property
    def en(self) -> str:
        return REFUSALS[self.code][1]

    @property
    def alarm(self) -> bool:
        """An attempt on the accused wall: said in the sealed cause of its entry alone. Nobody is told of it."""
        return self.cause == "wall"
