"""The shape of the office whose closed cases are invented: its places, units and staff, as the generator needs them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Staff:
    """A person of the office: the staff number the case system uses, and the name written under replies."""

    staff_id: str
    name: str


@dataclass(frozen=True, slots=True)
class UnitShape:
    """A unit that handles petitions: its code in the unit tree, its Chinese name, at least one handler, and the leader in charge."""

    code: str
    name: str
    handlers: tuple[Staff, ...]
    leader: Staff


@dataclass(frozen=True, slots=True)
class Place:
    """A county with its division code (six digits) and full name down from the province, and the towns of it."""

    code: str
    full_name: str
    county: str
    towns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OfficeShape:
    """Everything of an office that shows in its cases.

    `registering_unit` is the code of the unit that registers petitions. At least two `units` are needed: an accusation of somebody is
    never handled in that person's own unit.
    """

    source_system: str
    registering_unit: str
    units: tuple[UnitShape, ...]
    places: tuple[Place, ...]

    def __post_init__(self) -> None:
        """Refuse a shape from which no consistent case can be made."""
        if len(self.units) < 2 or not self.places:
            raise ValueError("an office needs at least two units and one place")
        if not all(unit.handlers for unit in self.units) or not all(place.towns for place in self.places):
            raise ValueError("every unit needs a handler and every place a town")


# No province has the code 99 (GB/T 2260): the places, and every ID number issued in them, are recognisably invented.
INVENTED_PLACES = (
    Place("990121", "云岭省临溪市青禾县", "青禾县", ("清泉镇", "石桥镇", "柳湾乡", "城关街道")),
    Place("990122", "云岭省临溪市松坪县", "松坪县", ("北塘镇", "枫林乡", "东屏镇", "望江街道")),
    Place("990203", "云岭省安澜市南浦区", "南浦区", ("河西街道", "长堤街道", "白石镇")),
)

INVENTED_OFFICE = OfficeShape(
    source_system="xinfang-demo",
    registering_unit="XFJ",
    units=(
        UnitShape("XFJ-JF", "接访科", (Staff("S1001", "陈测宁"), Staff("S1002", "林样青")), Staff("S1900", "周拟安")),
        UnitShape("XFJ-BL", "办信科", (Staff("S1101", "徐例舟"), Staff("S1102", "何试言")), Staff("S1901", "郑样衡")),
        UnitShape("XFJ-WX", "网信科", (Staff("S1201", "欧阳测"), Staff("S1202", "吴拟川")), Staff("S1901", "郑样衡")),
        UnitShape("XFJ-DC", "督查科", (Staff("S1301", "冯例真"),), Staff("S1900", "周拟安")),
    ),
    places=INVENTED_PLACES,
)
"""The office used where no other is given; its people follow the rule of invented names too."""
