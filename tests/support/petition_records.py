"""Deposit forms for tests: closed cases with invented persons (impossible birth months, telephone numbers nobody can have)."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

ID_ZHANG = "999999199013321234"  # month 13
ID_OUYANG = "99999918991332567X"
MOBILE = "10000001234"
MOBILE_OTHER = "10000005678"


def typical() -> dict[str, Any]:
    """A handled case: about 400 characters of text, two petitioners, an unaccused unit, five stages less the archive's own."""
    return deepcopy(_TYPICAL)


def minimal() -> dict[str, Any]:
    """The least that a case system with nothing to tell may deposit."""
    return {
        "source_system": "hotline",
        "case_no": "H-1",
        "title": "路灯不亮",
        "content": "村口路灯不亮，请修理。",
        "closed_at": "2024-05-02T10:00:00+08:00",
        "closure_type": "unknown",
        "provenance": dict.fromkeys(
            (
                "summary",
                "petition_form",
                "petition_purpose",
                "statutory_class",
                "content_category_l1",
                "locality_code",
                "petition_date",
                "registered_at",
                "registering_unit_code",
                "is_repeat",
                "petitioner_count",
                "is_group_visit",
                "is_anonymous",
                "grade",
                "sensitivity_level",
            ),
            "unknown",
        ),
    }


def accusation() -> dict[str, Any]:
    """A resolved accusation of a person and of a unit."""
    record = typical()
    record["statutory_class"] = "accusation"
    record["petition_purpose"] = "accusation"
    record["involved_parties"] = [
        {"party_role": "accused", "party_kind": "person", "party_name": "司马丁", "party_user_ids": ["P-7"], "party_duty": "科长"},
        {"party_role": "accused", "party_kind": "unit", "party_name": "某某县阳光物业有限公司", "party_unit_code": "U-9"},
    ]
    return record


Change = Callable[[dict[str, Any]], Any]


def put(*keys: Any) -> Change:
    """A change of a record: the keys of a place in it, and the value to put there."""

    def change(record: dict[str, Any]) -> None:
        *path, last, value = keys
        target: Any = record
        for key in path:
            target = target[key]
        target[last] = value

    return change


_TYPICAL: dict[str, Any] = {
    "source_system": "county-petition",
    "case_no": "XF-2024-000123",
    "title": "反映张三宅基地被占一事",
    "summary": "来信人张三（电话10000001234）反映其位于幸福路12号3栋501室的宅基地被占，请求依法处理。",
    "content": "我叫张三，身份证号999999199013321234，家住湖南省长沙市岳麓区幸福路12号3栋501室，电话100-0000-1234。"
    + "二〇二三年起，邻居多次占用我的宅基地，找村里反映未果。" * 8,
    "petition_form": "来信",
    "petition_purpose": "request",
    "statutory_class": "appeal_request",
    "content_category_l1": "自然资源",
    "content_category_code": "国土资源_宅基地_其他",
    "locality_code": "430104",
    "locality_detail": "湖南省长沙市岳麓区幸福路",
    "petition_date": "2024-01-08",
    "registered_at": "2024-01-09T09:00:00+08:00",
    "registering_unit_code": "U-1",
    "is_repeat": False,
    "petitioner_count": 2,
    "is_group_visit": False,
    "is_anonymous": False,
    "grade": "general",
    "grade_reason_nature": "张三一户的宅基地纠纷",
    "sensitivity_level": "personal",
    "closed_at": "2024-02-20T17:30:00+08:00",
    "closure_type": "handled",
    "tags": ["land_requisition"],
    "case_handler_staff_id": "S-1",
    "case_leader_staff_id": "S-2",
    "cooperating_unit_codes": ["U-3"],
    "petitioners": [
        {
            "is_primary": True,
            "name": "张三",
            "petitioner_kind": "citizen",
            "id_type": "resident_id",
            "id_number": ID_ZHANG,
            "mobile": MOBILE,
            "address": "湖南省长沙市岳麓区幸福路12号3栋501室",
            "email": "a@qq.com",
            "confidentiality_requested": False,
        },
        {
            "is_primary": False,
            "name": "欧阳小明",
            "petitioner_kind": "citizen",
            "id_type": "resident_id",
            "id_number": ID_OUYANG,
            "mobile": MOBILE_OTHER,
            "confidentiality_requested": False,
            "former_names": ["欧阳大明"],
        },
    ],
    "involved_parties": [{"party_role": "counterparty", "party_kind": "person", "party_name": "买买提·阿不都"}],
    "stages": [
        {
            "stage": "acceptance",
            "started_at": "2024-01-09T09:00:00+08:00",
            "finished_at": "2024-01-10T09:00:00+08:00",
            "responsible_unit_code": "U-1",
            "responsible_person": "李四光",
        },
        {
            "stage": "investigation",
            "started_at": "2024-01-11T09:00:00+08:00",
            "finished_at": "2024-01-20T09:00:00+08:00",
            "due_at": "2024-03-08T18:00:00+08:00",
            "responsible_unit_code": "U-2",
            "responsible_person": "王五",
            "opinion": "经查，张先生反映属实，已与欧阳小明、老张核对，联系10000005678。",
        },
        {
            "stage": "handling",
            "started_at": "2024-01-21T09:00:00+08:00",
            "finished_at": "2024-02-10T09:00:00+08:00",
            "responsible_unit_code": "U-2",
            "responsible_person": "王五",
        },
        {
            "stage": "feedback",
            "started_at": "2024-02-11T09:00:00+08:00",
            "finished_at": "2024-02-20T09:00:00+08:00",
            "responsible_unit_code": "U-2",
            "responsible_person": "王五",
        },
    ],
    "decision": {"decision_outcome": "supported", "notified_acceptance_at": "2024-01-12T09:00:00+08:00"},
    "replies": [
        {
            "reply_type": "handling_opinion",
            "reply_text": "张三、欧阳小明：你们反映的问题收悉。"
            "经调查，幸福路12号宅基地确权手续齐全，责令限期退还。如不服，可自收到之日起30日内申请复查。",
            "issued_at": "2024-02-15T09:00:00+08:00",
            "delivered_at": "2024-02-16T09:00:00+08:00",
            "delivery_way": "in_person",
            "signed_for": True,
            "promised_dates": [{"date": "2024-03-31", "text": "退还张三的宅基地"}],
        }
    ],
    "feedback": [
        {"target": "responsible_unit", "satisfaction": "satisfied", "rated_at": "2024-02-18T09:00:00+08:00", "comment": "谢谢王五同志"}
    ],
    "policy_bases": [{"policy_title": "土地管理法", "policy_article": "第六十二条", "effective_from": "2020-01-01"}],
    "attachments": [
        {"file_name": "张三身份证.pdf", "media_type": "application/pdf", "size_bytes": 1024, "sha256": "ab" * 32, "doc_kind": "evidence"}
    ],
}
