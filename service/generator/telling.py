"""How the people of an invented case write: titles, petitions, and who is named in them."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from service.generator import people as invented
from service.generator.scene import Scene
from service.generator.wording import pick, wording

_QUARTERS = ("柳溪", "桂苑", "松坪", "石桥", "云杉", "枫林", "北塘", "南湾", "长堤", "东屏")
_LONGEST = 780
_MENTIONS = (
    ("name", "name"), ("call", "call"), ("call", "call_full"), ("id_number", "id_text"), ("phone", "phone_text"),
    ("email", "email"), ("address", "address"), ("staff", "handler"), ("accused", "accused"), ("accused", "accused_short"),
    ("witness", "witness"), ("witness", "witness_short"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Told:
    """The three texts of a petition, and the words that fill the placeholders of every text of the case."""

    title: str
    summary: str
    content: str
    words: dict[str, str]


def tell(random: Random, scene: Scene) -> Told:
    """Write the title, the summary and the petition (150 to 800 characters), and fill `scene.words`."""
    words = scene.words = _words(random, scene)
    phrases, topic = wording(), scene.topic
    draw = random.random
    chosen = sorted(random.sample(range(len(topic.facts)), min(len(topic.facts), 4 + int(draw() * 4))))
    facts = [topic.facts[index] for index in chosen]
    demand = pick(random, topic.demands)
    parts = [_opener(random, scene), *facts]
    if scene.earlier:
        parts.append(f"我曾反映过同一问题（编号{scene.earlier.case_no}），至今没有得到彻底解决。")
    parts.append(demand)
    if scene.people:
        parts.append(phrases.pick(random, "contacts_confidential" if scene.confidential else "contacts"))
    parts.extend(random.sample(phrases.lists["mutters"], 1 + int(draw() * 3)))
    content = ("\n" if draw() < 0.5 else "").join(parts).format_map(words)
    while len(content) > _LONGEST and len(facts) > 1:
        parts.remove(facts.pop())
        content = "".join(parts).format_map(words)
    title = pick(random, topic.titles).format_map(words)
    summary = f"{facts[0]}{demand}".format_map(words)
    return Told(title, summary, content, words)


def _words(random: Random, scene: Scene) -> dict[str, str]:
    draw = random.random
    person = scene.people[0] if scene.people else None
    accused = scene.accused
    _structured, surname, spelling = scene.witness
    year = int(scene.calendar.day(scene.course.petitioned)[:4])
    return {
        "county": scene.place.county,
        "town": scene.place.towns[int(draw() * len(scene.place.towns))],
        "place": _QUARTERS[int(draw() * 10)],
        "company": scene.company,
        "unit": scene.unit.name,
        "handler": scene.handler.name,
        "amount": str(1000 * (2 + int(draw() * 300))),
        "months": str(2 + int(draw() * 16)),
        "year": str(year - 1),
        "month": str(1 + int(draw() * 12)),
        "n": str(scene.count if scene.count > 1 else 3 + int(draw() * 40)),
        "accused": accused.name if accused else "",
        "accused_short": (f"{accused.surname}{accused.duty}" if draw() < 0.6 else f"{accused.surname}某") if accused else "",
        "duty": accused.duty if accused else "",
        "witness": spelling,
        "witness_short": surname
        if surname in invented.DOTTED
        else f"老{surname}"
        if draw() < 0.5 and len(surname) == 1
        else f"{surname}某",
        "name": person.written if person else "",
        "names": "、".join(one.written for one in scene.people[:5]),
        "call": invented.called(random, person) if person else "信访人",
        "call_full": f"{person.written}{person.title}" if person else "信访人",
        "id_text": invented.spelled_id(random, person.id_number) if person else "",
        "phone_text": invented.spelled_phone(random, person.phone) if person else "",
        "email": (person.email or "lianxi@example.invalid") if person else "",
        "address": person.address if person else "",
        "petition_day": scene.calendar.spoken(scene.course.petitioned),
        "accepted_day": scene.calendar.spoken(scene.course.accepted),
        "call_day": scene.calendar.spoken(scene.course.handled),
        "office_phone": f"026-6666{int(draw() * 10000):04d}",
        "days": str(scene.course.extension),
    }


def _opener(random: Random, scene: Scene) -> str:
    phrases = wording()
    if scene.anonymous:
        return phrases.pick(random, "openers_anonymous")
    if scene.people[0].id_type == "credit_code":
        return phrases.pick(random, "openers_unit")
    if scene.shape != "single":
        return phrases.pick(random, "openers_group")
    return phrases.pick(random, "openers_named" if random.random() < 0.6 else "openers_plain")


def petitioners(random: Random, scene: Scene) -> list[dict[str, Any]]:
    """Write the petitioners; nothing is collected that the matter does not need, so birth date, sex and employer are rare."""
    draw = random.random
    items = []
    for index, person in enumerate(scene.people):
        item: dict[str, Any] = {
            "is_primary": index == 0,
            "name": person.name,
            "petitioner_kind": "employee" if scene.topic.enterprise and person.kind == "citizen" else person.kind,
            "confidentiality_requested": scene.confidential,
            "address": person.address,
        }
        if index == 0 or draw() < 0.8:
            item["id_type"] = person.id_type
            item["id_number"] = person.id_number
        elif draw() < 0.3:
            item["birth_date"] = person.birth
        # A landline is kept in the same field: the record has one for the number by which somebody is reached.
        item["mobile"] = person.phone
        if person.email:
            item["email"] = person.email
        if draw() < 0.05 and person.title:
            item["sex"] = "female" if person.female else "male"
        if draw() < 0.04 and person.title:
            item["former_names"] = [invented.a_name(random)[0]]
        if scene.topic.enterprise and person.title:
            item["employer"] = scene.company
        items.append(item)
    return items


def parties(random: Random, scene: Scene) -> list[dict[str, Any]]:
    """Write the accused, the other side of a dispute, and witnesses."""
    items: list[dict[str, Any]] = []
    if scene.accused:
        accused: dict[str, Any] = {
            "party_role": "accused",
            "party_kind": "person",
            "party_name": scene.accused.name,
            "party_duty": scene.accused.duty,
        }
        if scene.accused.staff_id:
            accused["party_user_ids"] = [scene.accused.staff_id]
            accused["party_unit_code"] = scene.accused.unit_code
        items.append(accused)
    elif scene.topic.name in ("wages", "property", "prepaid", "demolition"):
        items.append({"party_role": "counterparty", "party_kind": "unit", "party_name": scene.company})
    if random.random() < 0.2:
        items.append({"party_role": "witness", "party_kind": "person", "party_name": scene.witness[0]})
    return items


def mentions(scene: Scene) -> tuple[tuple[str, str], ...]:
    """Find which spellings of the case's people stand in its texts, longest first."""
    record = scene.record
    texts = [record["title"], record["summary"], record["content"], *(reply["reply_text"] for reply in record["replies"])]
    texts += [stage.get("opinion", "") for stage in record["stages"]]
    texts += [item.get("comment", "") for item in record.get("feedback", ())]
    whole = "\0".join(texts)
    known = _MENTIONS if scene.people else [one for one in _MENTIONS if one[0] not in ("name", "call")]
    found = {(kind, scene.words[key]) for kind, key in known if scene.words[key]}
    found |= {("name", person.written) for person in scene.people[:5]}
    return tuple(sorted((one for one in found if one[1] in whole), key=lambda one: (-len(one[1]), one)))
