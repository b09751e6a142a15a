"""What the office did in an invented case: stages, decision, replies, reviews and ratings, fitting the way it was closed."""

from __future__ import annotations

from random import Random
from typing import Any

from service.generator.course import DAY, ELSEWHERE, INVESTIGATED, TURNED_AWAY
from service.generator.scene import Scene
from service.generator.wording import pick, wording

_WAY = {
    "not_accepted": "not_accept",
    "no_longer_accepted": "no_longer_accept",
    "filed": "file",
    "direct_reply": "direct_reply",
    "routed": "transfer",
    "administrative_review": "transfer",
    "administrative_litigation": "transfer",
}
_DELIVERY = ("in_person", "mail", "other")


def sensitivity(scene: Scene) -> str:
    """The ceiling of the record: accusations are sensitive, enterprises' matters business, the rest personal."""
    if scene.accused:
        return "sensitive"
    if scene.topic.enterprise and scene.people and not scene.people[0].title:
        return "business"
    return "internal" if scene.topic.statutory_class == "suggestion" else "personal"


def stages(random: Random, scene: Scene) -> list[dict[str, Any]]:
    """The stages of the closure type; the archiving stage is the archive's own."""
    course, calendar, phrases = scene.course, scene.calendar, wording()
    unit, person = scene.unit.code, scene.handler.name
    way = _WAY.get(scene.closure, "accept_notice")
    acceptance: dict[str, Any] = {
        "stage": "acceptance",
        "started_at": calendar.instant(course.registered),
        "finished_at": calendar.instant(course.accepted),
        "due_at": calendar.instant(course.registered + 15 * DAY),
        "responsible_unit_code": scene.office.registering_unit,
        "responsible_person": person,
        "handling_way": way,
    }
    items = [acceptance]
    begun = course.accepted
    if scene.closure in INVESTIGATED:
        begun = course.investigated
        items.append(
            {
                "stage": "investigation",
                "started_at": calendar.instant(course.accepted),
                "finished_at": calendar.instant(begun),
                "responsible_unit_code": unit,
                "responsible_person": person,
            },
        )
    if scene.closure not in TURNED_AWAY and scene.closure != "filed":
        handling: dict[str, Any] = {
            "stage": "handling",
            "started_at": calendar.instant(begun),
            "finished_at": calendar.instant(course.handled),
            "due_at": calendar.instant(course.due),
            "responsible_unit_code": unit,
            "responsible_person": person,
            "handling_way": "assign" if scene.closure in INVESTIGATED else way,
            "opinion": phrases.pick(random, "opinions").format_map(scene.words),
        }
        if course.extension:
            handling["extension_days"] = course.extension
            handling["extension_reason"] = scene.words["reason"] = phrases.pick(random, "extension_reasons")
        items.append(handling)
    if scene.closure != "filed":
        items.append(
            {
                "stage": "feedback",
                "started_at": calendar.instant(course.issued),
                "finished_at": calendar.instant(course.delivered),
                "responsible_unit_code": unit,
                "responsible_person": person,
            },
        )
    return items


def decision(random: Random, scene: Scene) -> dict[str, Any]:
    """The outcome where the matter was decided, and when its acceptance was told."""
    if scene.closure not in INVESTIGATED:
        return {}
    draw = random.random()
    outcome = "supported" if draw < 0.55 else "explained" if draw < 0.85 else "not_supported"
    scene.words["outcome"] = outcome
    return {"decision_outcome": outcome, "notified_acceptance_at": scene.calendar.instant(scene.course.accepted)}


def replies(random: Random, scene: Scene) -> list[dict[str, Any]]:
    """Every document the petitioner was given, in order; a petition that was only filed got none."""
    course, texts, words = scene.course, wording().texts, scene.words
    if scene.closure == "filed":
        return []
    if scene.closure in TURNED_AWAY:
        return [_reply(random, scene, "non_acceptance", texts["non_acceptance"].format_map(words), course.issued, course.delivered)]
    items = []
    investigated = scene.closure in INVESTIGATED
    if investigated and random.random() < 0.6:
        text = texts["acceptance"].format_map(words)
        items.append(_reply(random, scene, "acceptance_notice", text, course.accepted, min(course.accepted + 2 * DAY, course.issued)))
    if course.extension:
        told = min(course.accepted + 50 * DAY, course.handled)
        text = texts["extension"].format_map(words)
        items.append(_reply(random, scene, "extension_notice", text, told, min(told + DAY, course.issued)))
    agreed = {"mediated": "mediation_agreement", "settled": "settlement_agreement"}.get(scene.closure)
    main = agreed or ("handling_opinion" if investigated else "unknown")
    opinion = _opinion(random, scene)
    if agreed:
        opinion = f"{opinion}\n{texts['mediation'].format_map(words)}"
    items.append(_reply(random, scene, main, opinion, course.issued, course.delivered))
    if investigated and random.random() < 0.15:
        promised = scene.calendar.day(course.delivered + 5 * DAY)
        items[-1]["promised_dates"] = [{"date": promised, "text": wording().pick(random, "promises")}]
    for review in course.reviews:
        kind = "review_opinion" if review.kind == "review" else "second_review_opinion"
        text = f"{words['call_full']}：{wording().review_texts[review.outcome]}"
        items.append(_reply(random, scene, kind, text, review.concluded, review.concluded + 5))
    return items


def _opinion(random: Random, scene: Scene) -> str:
    phrases, topic, words = wording(), scene.topic, scene.words
    named = bool(scene.people)
    title, article, _day = topic.policies[0]
    parts = [
        phrases.pick(random, "reply_openers" if named else "reply_openers_anonymous"),
        pick(random, topic.findings),
        phrases.texts["reply_law"].replace("{policy}", title).replace("{article}", article),
        *random.sample(topic.measures, 1 + int(random.random() * 2)),
    ]
    if "outcome" in words:
        parts.append(phrases.verdicts[words["outcome"]])
    parts.append(phrases.pick(random, "reply_contacts" if named else "reply_contacts_anonymous"))
    if scene.closure in INVESTIGATED:
        parts.append(phrases.pick(random, "reply_rights"))
    return "".join(parts).format_map(words)


def _reply(random: Random, scene: Scene, kind: str, text: str, issued: int, delivered: int) -> dict[str, Any]:
    item: dict[str, Any] = {
        "reply_type": kind,
        "reply_text": text,
        "issued_at": scene.calendar.instant(issued),
        "reply_approver_staff_id": scene.unit.leader.staff_id,
    }
    if scene.people:
        item["delivered_at"] = scene.calendar.instant(delivered)
        item["delivery_way"] = _DELIVERY[int(random.random() * 3)]
        item["signed_for"] = random.random() < 0.95
    return item


def policy_bases(scene: Scene) -> list[dict[str, Any]]:
    """The rules the reply rests on, with the day they came into force (of the version cited)."""
    items = []
    for title, article, day in scene.topic.policies:
        item = {"policy_title": title, "policy_version": f"{day[:4]}年施行", "effective_from": day}
        if article:
            item["policy_article"] = article
        items.append(item)
    return items


def reviews(scene: Scene) -> list[dict[str, Any]]:
    """The reviews asked for and their outcomes."""
    return [
        {
            "review_kind": review.kind,
            "requested_at": scene.calendar.instant(review.requested),
            "concluded_at": scene.calendar.instant(review.concluded),
            "review_outcome": review.outcome,
        }
        for review in scene.course.reviews
    ]


def feedback(random: Random, scene: Scene) -> list[dict[str, Any]]:
    """The two ratings, of the petition office and of the responsible unit, where the petitioner gave them."""
    draw = random.random
    if scene.closure in TURNED_AWAY | ELSEWHERE or scene.closure == "filed" or not scene.people or draw() < 0.35:
        return []
    items = []
    for target in ("petition_office", "responsible_unit"):
        mood = draw()
        word = "satisfied" if mood < 0.5 else "basically_satisfied" if mood < 0.72 else "dissatisfied" if mood < 0.88 else "not_rated"
        item: dict[str, Any] = {"target": target, "satisfaction": word}
        if word != "not_rated":
            item["rated_at"] = scene.calendar.instant(scene.course.closed - 1)
            if draw() < 0.5:
                good = word != "dissatisfied"
                item["comment"] = wording().pick(random, "comments_good" if good else "comments_bad").format_map(scene.words)
        items.append(item)
    return items
