"""The scenes with people in them: administrators, the case system, the handler, the approvers, the inspector."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice
from typing import Any

from audit.kinds import KINDS
from foundation.clock import SHANGHAI, SystemClock, iso, parse_iso
from petition_archive_client.answers import Receipt
from petition_archive_client.client import ArchiveClient
from petition_archive_client.errors import ArchiveProblem
from policies.rulebook.load import base
from service.cli.door import Door
from service.cli.terminal import columns
from service.cli.tour_story import Story, check, refused
from service.generator.cases import generate

HANDLER, COLLEAGUE, LEADER, PRINCIPAL, INSPECTOR = "S1001", "S1002", "S1900", "S1800", "S1801"
_NO_GRANT = ("grant-required", "grant-ended", "grant-not-found", "case-not-found", "not-found")
WANTED = ("petitioners[].name", "petitioners[].mobile", "content")
GRANTED = ("petitioners[].name", "petitioners[].mobile")
BATCH = 40
_VERDICTS = {"permit": "准 permit", "refuse": "拒 refuse", "fact": ""}
_SHOWN = (
    ("title", "标题 title"),
    ("petitioners[].name", "姓名 name"),
    ("petitioners[].id_number", "身份证号 ID number"),
    ("petitioners[].mobile", "手机 mobile"),
    ("petitioners[].address", "住址 address"),
    ("content", "信访内容 content"),
    ("closure_type", "办结方式 closure"),
)


def staffing(story: Story) -> None:
    """First sign-ins of the three, and everybody else brought in by them."""
    story.scene("首次登录与三员分立", "First sign-ins; three who check each other")
    for role, (login, secret) in story.first.items():
        story.people[role] = story.arrive(login, secret)
    login, secret = story.first["sysadmin"]
    refused(lambda: Door(story.url).sign_in(story.fonds, login, secret), "sign-in-refused")
    story.tell("三员各自改掉初始口令，绑定动态验证码；初始口令随即作废。", "Each changed the first secret and enrolled a one-time code.")
    sysadmin, secadmin = story.people["sysadmin"], story.people["secadmin"]
    units = {unit["code"]: unit["unit_id"] for unit in sysadmin.get("/v1/units")["units"]}
    root = next(iter(units.values()))
    units[story.office.first.unit_code] = root
    for unit in story.office.shape.units:
        units[unit.code] = sysadmin.post("/v1/units", {"code": unit.code, "title": unit.name, "parent_id": root})["id"]
    secrets = {
        one.staff.staff_id: _bring_in(story, units, one.staff.staff_id, one.staff.name, one.role, one.units)
        for one in story.office.colleagues
    }
    story.tell(
        f"系统管理员建立 {len(units)} 个机构、{len(secrets)} 人的账号和岗位；安全保密管理员任岗，即授予角色。",
        f"{len(units)} units and {len(secrets)} people: the system administrator opens accounts, the security administrator gives roles.",
    )
    own = secadmin.get("/v1/me")
    post = sysadmin.post("/v1/posts", {"unit_id": root, "role": "principal", "title": "主要领导"})["id"]
    refused(lambda: secadmin.post(f"/v1/posts/{post}/holdings", {"person_id": own["person_id"]}), "not-oneself", "separation-broken")
    refused(lambda: sysadmin.post(f"/v1/posts/{post}/holdings", {"person_id": story.persons[HANDLER]}), "not-permitted", "refused")
    refused(lambda: sysadmin.post("/v1/cases:find", {}), "not-permitted", "refused")
    story.proved("谁也不能给自己授权；三员看不到任何案卷。", "Nobody appoints themselves; administrators see no case.")
    for staff_id in (HANDLER, COLLEAGUE, LEADER, PRINCIPAL, INSPECTOR):
        story.people[staff_id] = story.arrive(staff_id.lower(), secrets[staff_id])
    story.client = sysadmin.post(
        "/v1/clients", {"source_system": story.office.shape.source_system, "title": "县信访业务系统", "public_jwk": story.key.public_jwk()}
    )["name"]


def depositing(story: Story) -> None:
    """The case system deposits closed cases and gets receipts."""
    story.scene("业务系统归档", "A case system deposits closed cases")
    cases = list(islice(generate(600, 11, office=story.office.shape), 600))
    story.case = next(case for case in cases if _fits(case))
    others = [case for case in cases if case["case_no"] != story.case["case_no"]][:BATCH]
    with ArchiveClient(story.url, client=story.client, key=story.key) as system:
        receipt = system.deposit(story.case)
        again = system.deposit(story.case)
        check(holds=again.case_id == receipt.case_id and again.status == "same", zh="重复报送", en="the same content again")
        _problem(system, story.case | {"title": "内容不同"}, 409)
        problem = _problem(
            system, story.case | {"case_no": "XF0000000001", "social_credit_score": 99, "closed_at": "2999-01-01T00:00:00+08:00"}, 422
        )
        answers = [answer for answer in system.deposit_many(others) if answer.accepted]
    check(holds=len(answers) == len(others), zh="批量归档", en="the batch")
    story.receipt = receipt
    story.tell(
        "系统用自己的私钥登录（private_key_jwt），档案库只存它的公钥；回执在落盘之后才给出：",
        "It signs in with a key of its own; a receipt is given once the case is durable:",
    )
    _receipt(receipt)
    story.tell(
        f"同样内容再报一次，得到同一份回执；同号不同内容被拒（409）；超范围字段和未来日期被拒（422，列出"
        f" {len(problem.faults)} 处，不复述任何值）；批量 {len(answers)} 件，逐件有回执。",
        "Repeated: the same receipt. Other content: 409. Over-collection and a date in the future: 422 with every fault."
        f" A batch of {len(answers)}, a receipt for each.",
    )
    story.checkpoint = _first_checkpoint(story)
    story.proved("确认过的案卷只存一份，不丢不重。", "What was acknowledged is there, once.")


def masked(story: Story) -> None:
    """The handler finds the case and sees it masked; a colleague does not even learn that it exists."""
    story.scene("承办人查阅（脱敏）", "The handler sees the case masked")
    handler, case_id = story.people[HANDLER], _case_id(story)
    found = handler.post("/v1/cases:find", {"filters": {"closure_type": {"in": [story.case["closure_type"]]}}, "limit": 5})
    story.tell(f"承办人只检索得到自己承办的案卷：{found['total']} 件。", f"A search shows the handler's own cases: {found['total']}.")
    view = handler.get(f"/v1/cases/{case_id}")
    _compare(view)
    clear = story.case["petitioners"][0]
    check(holds=clear["id_number"] not in str(view) and clear["mobile"] not in str(view), zh="脱敏", en="masking")
    refused(lambda: story.people[COLLEAGUE].get(f"/v1/cases/{case_id}"), "case-not-found", "not-found")
    story.proved(
        f"默认都是脱敏视图，同科室的同事查无此件；这次查阅记为日志序号 {view['log_index']}。",
        "Masked is everyone's default; a colleague gets the same 404 as for no case at all. Seeing it is on record"
        f" at index {view['log_index']}.",
    )


def access(story: Story) -> None:
    """The form, two approvals of which one trims, the clear opening, and its end."""
    handler, leader, principal = (story.people[one] for one in (HANDLER, LEADER, PRINCIPAL))
    case_id = _case_id(story)
    story.scene("信息查询审批表", "The access form")
    form = {
        "cases": [case_id],
        "fields": list(WANTED),
        "level": "clear",
        "purpose": "review",
        "reason": "信访人申请复查，需核对本人姓名并电话联系。",
        "usage": "read-only",
        "max_uses": 3,
        "expires_at": iso(SystemClock().now() + timedelta(days=3)),
    }
    filed = handler.post("/v1/access-requests", form)
    path = f"/v1/access-requests/{filed['request_id']}"
    refused(
        lambda: handler.post(f"{path}/decisions", {"verdict": "approve"}, If_Match='"1"'), "decision-not-yours", "not-permitted", "refused"
    )
    story.tell(
        "承办人申请三项：姓名、手机、信访内容；目的“办理复查”，三天，三次。自己不能批自己的申请。",
        "The handler asks for name, mobile and content; nobody approves their own request.",
    )
    story.scene("两级审批", "Two approvals")
    first = leader.post(f"{path}/decisions", {"verdict": "approve", "reason": "同意"}, If_Match='"1"')
    check(holds=first["status"] == "pending", zh="一级审批后仍待批", en="pending after one approval")
    stale = refused(lambda: principal.post(f"{path}/decisions", {"verdict": "approve"}, If_Match='"1"'), "request-version-changed")
    trim = {"fields": list(GRANTED), "max_uses": 1}
    second = principal.post(
        f"{path}/decisions",
        {"verdict": "approve", "reason": "联系所需，内容不必看；一次为限", "trim": trim},
        If_Match=f'"{first["version"]}"',
    )
    check(holds=second["status"] == "approved" and bool(second.get("grant_id")), zh="授权", en="a grant")
    story.tell(
        f"分管领导同意；主要领导同意但只给姓名和手机、一次（批准只能等于或少于所申请）。按旧版本审批会被挡下（{stale.http_status}）。",
        "The leader approves; the principal grants less: name and mobile, once. An approval can only trim, never add.",
    )
    story.scene("明文调阅", "Opened in clear, the granted fields alone")
    grant = story.grant = second["grant_id"]
    opening = handler.post(f"/v1/grants/{grant}/openings", {"case_id": case_id})
    _compare(opening["view"])
    shown, clear = opening["view"]["record"]["petitioners"][0], story.case["petitioners"][0]
    check(holds=(shown["name"], shown["mobile"]) == (clear["name"], clear["mobile"]), zh="所批字段为明文", en="granted fields in clear")
    check(
        holds=clear["id_number"] not in str(opening) and story.case["content"] not in str(opening),
        zh="其余字段仍遮盖",
        en="the rest stays masked",
    )
    again = handler.get(f"/v1/openings/{opening['opening_id']}")
    check(holds=(opening["uses_left"], again["uses_left"]) == (0, 0), zh="次数", en="the number of openings")
    other = handler.post("/v1/cases:find", {"limit": 50})["rows"]
    other_id = next(row["case_id"] for row in other if row["case_id"] != case_id)
    refused(lambda: handler.post(f"/v1/grants/{grant}/openings", {"case_id": other_id}), *_NO_GRANT)
    story.tell(
        "十五分钟内重读不另计次，但每次都留痕；同一授权打不开自己承办的另一件。",
        "Reading again within fifteen minutes costs no further use; the grant opens no other case, not even one of the handler's own.",
    )
    story.proved(
        f"只有批准的两项是明文；先记意图（序号 {opening['intent_index']}）再打开，再记结果（序号 {opening['outcome_index']}）。",
        "Two fields in clear, nothing else; the intent is on record before anything is opened.",
    )
    story.scene("归还", "Returned")
    handler.post(f"/v1/grants/{grant}/return", {})
    refused(lambda: handler.get(f"/v1/openings/{opening['opening_id']}"), *_NO_GRANT)
    story.proved("归还之后，十五分钟的阅览窗口也立即关闭。", "After the return even the running opening is shut.")


def trail(story: Story) -> None:
    """The inspector asks who touched the case."""
    story.scene("督查留痕", "The inspector questions the trail")
    inspector = story.people[INSPECTOR]
    of_case = inspector.post("/v1/audit:query", {"case": _case_id(story), "limit": 50})
    of_grant = inspector.post("/v1/audit:query", {"about": {"kind": "grant", "id": story.grant}, "limit": 50})
    found = {one["index"]: one["entry"] for answer in (of_case, of_grant) for one in answer["entries"]}
    story.asked = of_grant["log_index"]
    roles = base().roles.by_code
    rows = []
    for index, entry in sorted(found.items()):
        when = f"{parse_iso(entry['time']).astimezone(SHANGHAI):%H:%M:%S}"
        rows.append((str(index), when, roles[entry["actor"]["role"]].zh, KINDS[entry["kind"]].zh, _VERDICTS[entry["verdict"]]))
    columns(("序号 index", "北京时间 UTC+8", "角色 role", "事项 what", "结论 verdict"), rows)
    check(
        holds={"access.intent", "access.outcome", "case.viewed", "grant.returned"} <= {entry["kind"] for entry in found.values()},
        zh="留痕",
        en="the trail",
    )
    story.proved(
        f"谁、何时、以何角色、凭什么看了什么，都在案；这两次查询（按案卷、按授权）本身也记为序号 {of_case['log_index']}、{story.asked}。",
        "Who saw what, when and why is on record, and so are these very questions, by case and by grant.",
    )


def _bring_in(story: Story, units: dict[str, str], staff_id: str, name: str, role: str, at: tuple[str, ...]) -> str:
    """Person, account and posts; returns the first secret."""
    sysadmin, secadmin = story.people["sysadmin"], story.people["secadmin"]
    person_id = sysadmin.post("/v1/people", {"staff_no": staff_id, "display_name": name})["id"]
    secret: str = sysadmin.post("/v1/accounts", {"person_id": person_id, "login": staff_id.lower()})["first_secret"]
    for code in at:
        post_id = sysadmin.post("/v1/posts", {"unit_id": units[code], "role": role, "title": f"{name}岗"})["id"]
        secadmin.post(f"/v1/posts/{post_id}/holdings", {"person_id": person_id})
    story.persons[staff_id] = person_id
    return secret


def _fits(case: dict[str, Any]) -> bool:
    """A case of our handler with one named citizen and no accusation, whose story two approvals suffice for."""
    people = case.get("petitioners", [])
    return (
        case["case_handler_staff_id"] == HANDLER
        and case["statutory_class"] != "accusation"
        and len(people) == 1
        and not people[0].get("confidentiality_requested")
        and all(people[0].get(name) for name in ("name", "mobile", "id_number", "address"))
    )


def _case_id(story: Story) -> str:
    if story.receipt is None:
        raise RuntimeError("the deposit comes before this scene")
    return story.receipt.case_id


def _problem(system: ArchiveClient, case: dict[str, Any], status: int) -> ArchiveProblem:
    """The refusal a deposit must meet."""
    try:
        system.deposit(case)
    except ArchiveProblem as problem:
        check(holds=problem.status == status, zh=f"应为 {status}", en=f"{status} was expected")
        return problem
    check(holds=False, zh="本应拒收", en="a refused deposit")
    raise AssertionError


def _receipt(receipt: Receipt) -> None:
    columns(
        ("回执 receipt", ""),
        (
            ("案卷 case", f"{receipt.case_no} → {receipt.case_id}，第 {receipt.version} 版"),
            ("日志 log", f"{receipt.log_origin}，序号 index {receipt.log_index}"),
            ("摘要 digest", f"{receipt.digest_algorithm} {receipt.digest[:32]}…"),
        ),
    )


def _first_checkpoint(story: Story) -> bytes:
    """What the inspector keeps now, to compare with at the end."""
    return story.people[INSPECTOR].log_file("checkpoint")


def _compare(view: dict[str, Any]) -> None:
    """What a view shows of the fields the story is about."""
    rows = []
    for path, label in _SHOWN:
        withheld = path in view["withheld"]
        state = "不可见" if withheld else "脱敏" if path in view["masked"] else "明文" if path in view["clear"] else "可见"
        rows.append((label, state, "—" if withheld else _cell(view["record"], path)))
    columns(("字段 field", "状态 state", "所见 what is seen"), rows)


def _cell(record: dict[str, Any], path: str) -> str:
    group, _, name = path.rpartition("[].")
    items = record.get(group) or [{}] if group else [record]
    text = str(items[0].get(name, "（未填）")).replace("\n", " ")
    return text if len(text) <= 40 else text[:40] + "…"
