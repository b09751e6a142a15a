"""Invented closed cases in the JSON form of a deposit: the same seed gives the same cases, and a smaller count gives their beginning."""

from __future__ import annotations

from bisect import bisect
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import islice
from random import Random
from typing import Any

from service.generator import handling, telling
from service.generator.course import DAY, INVESTIGATED, Calendar, a_course
from service.generator.office import INVENTED_OFFICE, OfficeShape, Place
from service.generator.people import Person, a_company, a_name, a_person, company_name
from service.generator.scene import Accused, Earlier, Scene
from service.generator.wording import Topic, wording

UNTIL = date(2026, 9, 30)
"""The last day on which anything happens in a generated case, where the caller names none."""

_FORMS = ("letter", "visit", "web", "mobile", "wechat", "phone", "leader_mailbox", "fax", "superior_referral")
_FORM_WEIGHTS = (12, 30, 62, 70, 76, 88, 95, 96, 100)
_CLOSURES = (
    "handled",
    "certified_closed",
    "mediated",
    "settled",
    "direct_reply",
    "review_concluded",
    "second_review_concluded",
    "not_accepted",
    "no_longer_accepted",
    "filed",
    "routed",
    "administrative_review",
    "administrative_litigation",
)
_CLOSURE_WEIGHTS = (52, 58, 64, 67, 81, 85, 87, 91, 92, 94, 97, 98, 100)


@dataclass(frozen=True, slots=True)
class Specimen:
    """A case with what its texts give away: for tests of redaction, which need to know what should have been found."""

    case: dict[str, Any]
    mentions: tuple[tuple[str, str], ...]
    """(kind, text as it stands in a text of the case); kinds: name, call, id_number, phone, email, address, staff, accused, witness."""


def generate(n: int, seed: int, *, office: OfficeShape = INVENTED_OFFICE, until: date = UNTIL) -> Iterator[dict[str, Any]]:
    """Yield `n` cases closed between May 2022 and `until`, as `POST /v1/cases` takes them; deterministic per (seed, office, until)."""
    return islice((scene.record for scene in _scenes(seed, office, until)), n)


def mark_of(seed: int) -> str:
    """Four capital letters that tell the case numbers of one seed from those of another: different for seeds from 0 to 456,975."""
    left, letters = seed % 26**4, ""
    for _ in range(4):
        left, at = divmod(left, 26)
        letters = chr(ord("A") + at) + letters
    return letters


def specimens(n: int, seed: int, *, office: OfficeShape = INVENTED_OFFICE, until: date = UNTIL) -> Iterator[Specimen]:
    """Yield the same cases as `generate`, each with every mention of its people that stands in one of its texts."""
    return islice((Specimen(scene.record, telling.mentions(scene)) for scene in _scenes(seed, office, until)), n)


def _scenes(seed: int, office: OfficeShape, until: date) -> Iterator[Scene]:
    random = Random(seed)  # noqa: S311  reproducible invention, not secrets
    calendar = Calendar(until)
    memory: deque[Earlier] = deque(maxlen=200)
    mark, serial = mark_of(seed), 0
    while True:
        serial += 1
        scene = _a_scene(random, calendar, office, memory, f"{mark}{serial:07d}")
        scene.record = _record(random, scene)
        primary = scene.people[0] if scene.people else None
        if primary and not scene.accused:
            memory.append(Earlier(scene.case_no, scene.topic, scene.place, primary, scene.company, scene.course.closed))
        yield scene


def _a_scene(random: Random, calendar: Calendar, office: OfficeShape, memory: deque[Earlier], serial: str) -> Scene:
    draw = random.random
    topics = wording().topics
    earlier = memory[int(draw() * len(memory))] if memory and draw() < 0.12 else None
    if earlier and earlier.closed > (calendar.length - 300) * DAY:
        earlier = None
    topic = earlier.topic if earlier else topics[bisect(wording().weights, draw() * wording().weights[-1])]
    place = earlier.place if earlier else office.places[int(draw() * len(office.places))]
    closure = _closure(random, topic, repeated=earlier is not None)
    course = a_course(random, calendar, closure, earlier.closed if earlier else 0)
    unit = office.units[int(draw() * len(office.units))]
    anonymous = not earlier and draw() < (0.35 if topic.accused else 0.04)
    people, count, shape = _petitioners(random, topic, place, earlier, anonymous=anonymous)
    return Scene(
        calendar=calendar,
        office=office,
        topic=topic,
        place=place,
        closure=closure,
        course=course,
        case_no=f"XF{calendar.day(course.registered)[:4]}{serial}",
        form="visit" if shape == "group" else "letter" if shape == "joint" else _FORMS[bisect(_FORM_WEIGHTS, draw() * 100)],
        unit=unit,
        handler=unit.handlers[int(draw() * len(unit.handlers))],
        people=people,
        count=count,
        shape=shape,
        anonymous=anonymous,
        confidential=bool(people) and draw() < (0.5 if topic.accused else 0.08),
        accused=_accused(random, office, unit.code) if topic.accused else None,
        company=earlier.company if earlier else company_name(random, place),
        witness=a_name(random),
        earlier=earlier,
    )


def _closure(random: Random, topic: Topic, *, repeated: bool) -> str:
    if topic.litigation:
        return ("not_accepted", "routed", "administrative_litigation", "administrative_review", "direct_reply")[int(random.random() * 5)]
    if topic.statutory_class == "suggestion":
        return "direct_reply" if random.random() < 0.8 else "filed" if random.random() < 0.3 else "handled"
    if topic.accused:
        return "handled" if random.random() < 0.7 else "routed" if random.random() < 0.7 else "filed"
    if repeated and random.random() < 0.15:
        return "no_longer_accepted"
    return _CLOSURES[bisect(_CLOSURE_WEIGHTS, random.random() * 100)]


def _petitioners(random: Random, topic: Topic, place: Place, earlier: Earlier | None, *, anonymous: bool) -> tuple[list[Person], int, str]:
    draw = random.random
    if anonymous:
        return [], 1, "single"
    if earlier:
        return [earlier.person], 1, "single"
    if topic.enterprise and draw() < 0.5:
        return [a_company(random, place)], 1, "single"
    kind = draw()
    if kind < 0.06:
        people = [a_person(random, place) for _ in range(2 + int(draw() * 4))]
        return people, len(people) + int(draw() * 40), "group"
    if kind < 0.12:
        people = [a_person(random, place) for _ in range(2 + int(draw() * 7))]
        return people, len(people) + int(draw() * 20), "joint"
    return [a_person(random, place)], 1, "single"


def _accused(random: Random, office: OfficeShape, handling_unit: str) -> Accused:
    draw = random.random
    if draw() < 0.55:
        others = [unit for unit in office.units if unit.code != handling_unit]
        unit = others[int(draw() * len(others))]
        staff = unit.handlers[int(draw() * len(unit.handlers))]
        return Accused.of_staff(random, staff, unit)
    return Accused.stranger(random)


def _record(random: Random, scene: Scene) -> dict[str, Any]:
    draw = random.random
    topic, course, calendar = scene.topic, scene.course, scene.calendar
    told = telling.tell(random, scene)
    record: dict[str, Any] = {
        "source_system": scene.office.source_system,
        "case_no": scene.case_no,
        "title": told.title,
        "summary": told.summary,
        "content": told.content,
        "petition_form": scene.form,
        "petition_purpose": topic.purpose,
        "statutory_class": topic.statutory_class,
        "content_category_l1": topic.category,
        "locality_code": scene.place.code,
        "locality_detail": scene.where,
        "petition_date": calendar.day(course.petitioned),
        "registered_at": calendar.instant(course.registered),
        "registering_unit_code": scene.office.registering_unit,
        "is_first_nationwide": scene.earlier is None,
        "is_repeat": scene.earlier is not None,
        "petitioner_count": scene.count,
        "is_group_visit": scene.shape == "group",
        "is_joint_letter": scene.shape == "joint",
        "is_anonymous": scene.anonymous,
        "is_litigation_related": topic.litigation,
        "grade": "major" if scene.count > 30 else "key" if scene.count > 4 or draw() < 0.06 else "general",
        "sensitivity_level": handling.sensitivity(scene),
        "closed_at": calendar.instant(course.closed),
        "closure_type": scene.closure,
        "tags": list(topic.tags),
        "case_handler_staff_id": scene.handler.staff_id,
        "case_leader_staff_id": scene.unit.leader.staff_id,
        "first_handler_staff_id": scene.handler.staff_id,
        "petitioners": telling.petitioners(random, scene),
        "stages": handling.stages(random, scene),
        "decision": handling.decision(random, scene),
        "replies": handling.replies(random, scene),
    }
    if scene.earlier:
        record["repeat_of_case_no"] = scene.earlier.case_no
    if scene.count > 1 or draw() < 0.3:
        record["affected_count"] = scene.count + int(draw() * 60)
    if record["grade"] != "general":
        record["grade_reason_nature"] = wording().pick(random, "grade_natures")
        record["grade_reason_impact"] = wording().pick(random, "grade_impacts").format_map(told.words)
    if draw() < 0.2:
        apart = (scene.unit.code, scene.accused_unit)
        record["cooperating_unit_codes"] = [unit.code for unit in scene.office.units if unit.code not in apart][:1]
    if scene.form in ("web", "mobile", "wechat"):
        record["query_code"] = f"{int(draw() * 10**8):08d}"
    parties = telling.parties(random, scene)
    if parties:
        record["involved_parties"] = parties
    if scene.closure in INVESTIGATED:
        record["policy_bases"] = handling.policy_bases(scene)
        record["proposed_retention_class"] = "y30"
    elif draw() < 0.5:
        record["proposed_retention_class"] = "y10"
    if course.reviews:
        record["reviews"] = handling.reviews(scene)
    feedback = handling.feedback(random, scene)
    if feedback:
        record["feedback"] = feedback
    return record
