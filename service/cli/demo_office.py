"""The demonstration's three fonds: a city office and two county offices below it, with a unit tree and somebody in every post.

Everybody is invented, by the rule of `service.generator.office`: every given name holds one of 测, 试, 样, 例, 拟.
"""

from __future__ import annotations

from dataclasses import dataclass

from office.founding import Administrator, FirstOffice, NewFonds
from service.generator.office import INVENTED_OFFICE, INVENTED_PLACES, OfficeShape, Staff, UnitShape


@dataclass(frozen=True, slots=True)
class Colleague:
    """Somebody in posts of one role: in every one of these units."""

    staff: Staff
    role: str
    units: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DemoOffice:
    """A fonds, who founds it, and the shape of its office as its cases know it; `share` of the cases in hundredths."""

    fonds: NewFonds
    first: FirstOffice
    shape: OfficeShape
    beside: tuple[Colleague, ...]
    share: int

    @property
    def colleagues(self) -> tuple[Colleague, ...]:
        """Everybody but the three administrators."""
        handlers = [Colleague(one, "handler", (unit.code,)) for unit in self.shape.units for one in unit.handlers]
        leaders = {unit.leader: tuple(other.code for other in self.shape.units if other.leader == unit.leader) for unit in self.shape.units}
        return (*handlers, *(Colleague(one, "leader", units) for one, units in leaders.items()), *self.beside)


def _three(prefix: str, *names: str) -> tuple[Administrator, ...]:
    roles = ("sysadmin", "secadmin", "auditadmin")
    return tuple(
        Administrator(role=role, staff_no=f"{prefix}{number}", display_name=name, login=f"{prefix}{number}".lower())
        for number, (role, name) in enumerate(zip(roles, names, strict=True), start=1)
    )


def _beside(root: str, section: str, start: int, *names: str) -> tuple[Colleague, ...]:
    roles = (
        ("principal", root),
        ("inspector", root),
        ("legal", root),
        ("archivist", root),
        ("collaborator", section),
        ("external_supervisor", root),
    )
    return tuple(
        Colleague(Staff(f"S{start + number}", name), role, (unit,))
        for number, ((role, unit), name) in enumerate(zip(roles, names, strict=True))
    )


_CITY = OfficeShape(
    source_system="xinfang-linxi",
    registering_unit="LXJ",
    units=(
        UnitShape("LXJ-BL", "办信处", (Staff("S3001", "韩测行"), Staff("S3002", "彭样远")), Staff("S3900", "曹拟平")),
        UnitShape("LXJ-FC", "复查复核处", (Staff("S3101", "曾例清"),), Staff("S3900", "曹拟平")),
    ),
    places=INVENTED_PLACES,
)
_SONGPING = OfficeShape(
    source_system="xinfang-songping",
    registering_unit="SPJ",
    units=(
        UnitShape("SPJ-JF", "接访科", (Staff("S2001", "高测原"), Staff("S2002", "罗样溪")), Staff("S2900", "梁拟成")),
        UnitShape("SPJ-BL", "办信科", (Staff("S2101", "宋例文"),), Staff("S2901", "唐试新")),
    ),
    places=INVENTED_PLACES[1:2],
)

OFFICES = (
    DemoOffice(
        NewFonds("LX00", "临溪市信访局", "Linxi City Petition Office", training=True),
        FirstOffice(unit_code="LXJ", unit_title="临溪市信访局", administrators=_three("A30", "许测一", "傅样二", "沈例三")),
        _CITY,
        _beside("LXJ", "LXJ-FC", 3800, "邓拟正", "萧测直", "程样法", "袁例藏", "蔡试同", "董拟观"),
        share=16,
    ),
    DemoOffice(
        NewFonds("QH01", "青禾县信访局", "Qinghe County Petition Office", superior="LX00", training=True),
        FirstOffice(unit_code="XFJ", unit_title="青禾县信访局", administrators=_three("A10", "丁测一", "任样二", "姚例三")),
        INVENTED_OFFICE,
        _beside("XFJ", "XFJ-BL", 1800, "潘拟正", "杜测直", "戴样法", "夏例藏", "钟试同", "汪拟观"),
        share=60,
    ),
    DemoOffice(
        NewFonds("SP01", "松坪县信访局", "Songping County Petition Office", superior="LX00", training=True),
        FirstOffice(unit_code="SPJ", unit_title="松坪县信访局", administrators=_three("A20", "范测一", "方样二", "石例三")),
        _SONGPING,
        _beside("SPJ", "SPJ-BL", 2800, "谭拟正", "廖测直", "邹样法", "熊例藏", "金试同", "陆拟观"),
        share=24,
    ),
)
