"""Everything that is settled about an invented case before its record is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

from service.generator.course import Calendar, Course
from service.generator.office import OfficeShape, Place, Staff, UnitShape
from service.generator.people import DUTIES, Person, a_name
from service.generator.wording import Topic


@dataclass(frozen=True, slots=True)
class Earlier:
    """What is remembered of a case, so that a later one can repeat it."""

    case_no: str
    topic: Topic
    place: Place
    person: Person
    company: str
    closed: int


@dataclass(frozen=True, slots=True)
class Accused:
    """Whom an accusation is about; `staff_id` and `unit_code` are empty where the case system could not resolve the person."""

    name: str
    surname: str
    duty: str
    staff_id: str
    unit_code: str

    @classmethod
    def of_staff(cls, random: Random, staff: Staff, unit: UnitShape) -> Accused:
        """Accuse a member of the office, resolved by staff number and unit."""
        surname = staff.name[:2] if len(staff.name) > 2 and staff.name[:2] in ("欧阳", "司马", "上官", "诸葛") else staff.name[:1]
        return cls(staff.name, surname, DUTIES[int(random.random() * len(DUTIES))], staff.staff_id, unit.code)

    @classmethod
    def stranger(cls, random: Random) -> Accused:
        """Accuse somebody whom the case system did not resolve."""
        name, surname, _written = a_name(random)
        return cls(name, surname, DUTIES[int(random.random() * len(DUTIES))], "", "")


@dataclass(slots=True)
class Scene:
    """One case: who, where, when, about what, handled by whom; `words` and `record` are filled as it is told."""

    calendar: Calendar
    office: OfficeShape
    topic: Topic
    place: Place
    closure: str
    course: Course
    case_no: str
    form: str
    unit: UnitShape
    handler: Staff
    people: list[Person]
    count: int
    shape: str
    """single, group (集体访) or joint (联名信)."""
    anonymous: bool
    confidential: bool
    accused: Accused | None
    company: str
    witness: tuple[str, str, str]
    """Somebody else who is named: structured spelling, family name, spelling in texts."""
    earlier: Earlier | None
    words: dict[str, str] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """The place the matter lies in, from the province down to the village or quarter."""
        return f"{self.place.full_name}{self.words['town']}{self.words['place']}"

    @property
    def accused_unit(self) -> str:
        """The accused person's unit code, empty where there is none."""
        return self.accused.unit_code if self.accused else ""
