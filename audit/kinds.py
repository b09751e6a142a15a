"""The closed register of event kinds: nothing else can be written into the log.

`docs/audit-kinds.md` is rendered from here (`dev.py render`). A kind once used is never renamed and never removed, because
entries that carry it stay in the log for good; a new kind is a new line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

GROUPS: Final = {
    "deposit": ("归档", "Deposit"),
    "reading": ("查阅（脱敏）", "Masked reading"),
    "access": ("明文调阅", "Clear access"),
    "requests": ("审批", "Requests and grants"),
    "sessions": ("登录与凭据", "Sessions and secrets"),
    "people": ("机构与人员", "Units and people"),
    "clients": ("业务系统接入", "Case systems"),
    "rules": ("规则与密钥", "Rules and keys"),
    "log": ("审计日志", "The log itself"),
    "archive": ("系统运行", "The archive"),
}

# What an entry may be about, and whether it is named by an id (UUIDv7) or by a code of the archive's own making.
OBJECTS: Final = {
    "account": "id",
    "archive": "code",
    "case": "id",
    "client": "code",
    "entry": "id",
    "fonds": "code",
    "grant": "id",
    "import": "id",
    "key": "code",
    "log": "code",
    "person": "id",
    "post": "id",
    "request": "id",
    "rulebook": "code",
    "session": "id",
    "unit": "id",
}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of event. `objects`: what it may be about, or must be where `required`; `discloses`: record content reached somebody."""

    code: str
    zh: str
    en: str
    group: str
    objects: tuple[str, ...] = ()
    required: bool = False
    discloses: bool = False


def _about(code: str, zh: str, en: str, group: str, *objects: str, discloses: bool = False) -> Kind:
    return Kind(code, zh, en, group, objects, required=True, discloses=discloses)


def _perhaps(code: str, zh: str, en: str, group: str, *objects: str, discloses: bool = False) -> Kind:
    return Kind(code, zh, en, group, objects, required=False, discloses=discloses)


_ALL = (
    _about("case.deposited", "案卷归档", "A closed case was deposited", "deposit", "case"),
    _about("case.supplemented", "补充归档", "A case was supplemented", "deposit", "case"),
    _about("case.corrected", "更正案卷", "A case was corrected", "deposit", "case"),
    _about("deposit.repeated", "重复报送（内容相同）", "The same deposit or later version was answered again", "deposit", "case"),
    _about("case.reopened", "为补充归档在库内打开原版本", "A version was opened inside the archive for a supplement", "deposit", "case"),
    _perhaps("deposit.refused", "归档被拒", "A deposit was refused", "deposit", "case", "import"),
    _about("import.started", "批量导入开始", "An import started", "deposit", "import"),
    _about("import.finished", "批量导入结束", "An import finished", "deposit", "import"),
    _perhaps("receipt.fetched", "领取回执", "A receipt was fetched", "deposit", "entry", "case"),
    _about("case.viewed", "查看案卷（脱敏）", "A case was seen masked", "reading", "case", discloses=True),
    _perhaps("case.listed", "浏览案卷列表", "Cases were listed", "reading", discloses=True),
    _perhaps("case.searched", "检索案卷", "Cases were searched", "reading", discloses=True),
    _perhaps("case.faceted", "分面统计", "Facets were counted", "reading", discloses=True),
    _perhaps("case.searched-by-identity", "按身份精确检索", "Cases were searched by an identity", "reading", discloses=True),
    _about("access.intent", "明文调阅：将打开", "Clear fields are about to be opened", "access", "case", discloses=True),
    _about("access.outcome", "明文调阅：已打开", "What became of the opening", "access", "case", discloses=True),
    _about("case.access-changed", "更正或补充改变了可见范围", "A later version changed who may see a case", "access", "case"),
    _perhaps("access.refused", "访问被拒", "Access was refused", "access", *sorted(OBJECTS)),
    _about("request.filed", "提交信息查询审批表", "An access request was filed", "requests", "request"),
    _about("request.withdrawn", "撤回申请", "A request was withdrawn", "requests", "request"),
    _about("request.approved", "审批同意", "A request was approved as asked", "requests", "request"),
    _about("request.trimmed-approved", "审批部分同意", "A request was approved in part", "requests", "request"),
    _about("request.refused", "审批不同意", "A request was refused", "requests", "request"),
    _about(
        "request.repeated", "重复提交（已办过，仅再次答复）", "An act on a form or grant was answered again", "requests", "request", "grant"
    ),
    _perhaps("requests.listed", "查看申请或授权", "Requests or grants were looked at", "requests", "fonds", "request"),
    _about("grant.made", "产生授权", "A grant was made", "requests", "grant"),
    _about("grant.returned", "提前归还", "A grant was returned early", "requests", "grant"),
    _about("grant.revoked", "撤销授权", "A grant was revoked", "requests", "grant"),
    _about("session.opened", "登录", "A session was opened", "sessions", "session"),
    _perhaps("session.refused", "登录被拒", "A sign-in was refused", "sessions", "account"),
    _about("session.closed", "退出登录", "A session was closed", "sessions", "session"),
    _perhaps("session.revoked", "强制下线", "A session was revoked", "sessions", "session", "account"),
    _about("secret.changed", "修改口令", "A secret was changed by its owner", "sessions", "account"),
    _about("secret.reset", "重置口令", "A secret was reset by an administrator", "sessions", "account"),
    _about("factor.enrolled", "绑定第二因素", "A second factor was enrolled", "sessions", "account"),
    _about("factor.reset", "解除第二因素", "A second factor was withdrawn by an administrator", "sessions", "account"),
    _about("account.created", "开设账号", "An account was created", "people", "account"),
    _about("account.blocked", "停用账号", "An account was blocked", "people", "account"),
    _about("account.unblocked", "恢复账号", "An account was unblocked", "people", "account"),
    _about("account.closed", "注销账号", "An account was closed for good", "people", "account"),
    _about("person.registered", "登记人员", "A person was registered", "people", "person"),
    _about("person.left", "人员离任", "A person left", "people", "person"),
    _about("unit.created", "设立机构", "A unit was created", "people", "unit"),
    _about("unit.renamed", "机构更名", "A unit was renamed", "people", "unit"),
    _about("unit.moved", "调整机构隶属", "A unit was put under another", "people", "unit"),
    _about("unit.ended", "撤销机构", "A unit ended", "people", "unit"),
    _about("post.created", "设立岗位", "A post was created", "people", "post"),
    _about("post.ended", "撤销岗位", "A post ended", "people", "post"),
    _about("post.held", "任职", "A post was taken up", "people", "post"),
    _about("post.left", "离任", "A post was left", "people", "post"),
    _perhaps("office.listed", "查看机构、人员或会话", "Units, people or sessions were looked at", "people", "fonds", "account"),
    _about("client.registered", "登记业务系统", "A case system was registered", "clients", "client"),
    _about("client.revoked", "注销业务系统", "A case system was revoked", "clients", "client"),
    _about("client.token-issued", "签发访问令牌", "A token was issued", "clients", "client"),
    _perhaps("client.token-refused", "拒发访问令牌", "A token was refused", "clients", "client"),
    _about("rulebook.activated", "规则生效", "A rulebook version was activated", "rules", "rulebook"),
    _about("key.generated", "生成密钥", "A key was generated", "rules", "key"),
    _about("key.rotated", "轮换密钥", "A key was rotated", "rules", "key"),
    _about("key.relocked", "更换密钥环的解锁方式", "The key ring was locked with another secret", "rules", "archive"),
    _perhaps("log.queried", "查询审计日志", "The log was queried", "log", "log", "case", "entry"),
    Kind("log.heartbeat", "心跳：一段时间内没有新条目", "Nothing was appended for an interval", "log"),
    _about("log.indexed", "承诺索引根", "The index of the log was committed to", "log", "log"),
    _about("log.exported", "导出审计日志", "The log was exported", "log", "log"),
    _about("log.stream-begun", "日志开始外送", "The log is sent to another system from now on", "log", "log"),
    _about("log.stream-ended", "日志停止外送", "The log is sent to another system no more", "log", "log"),
    _about("log.restored-admitted", "准入恢复的数据库", "A restored database was admitted", "log", "log"),
    _about("log.detail-erased", "销毁附存内容", "A detail beside the log was erased", "log", "entry"),
    _about("fonds.created", "设立全宗", "A fonds was created", "archive", "fonds"),
    _perhaps("archive.started", "系统启动", "The archive started", "archive", "archive"),
)

KINDS: Final[dict[str, Kind]] = {kind.code: kind for kind in _ALL}


def render() -> str:
    """Return docs/audit-kinds.md as it has to stand."""
    lines = [
        "# 审计事件种类 / Audit event kinds",
        "",
        "本文由 `audit.kinds` 生成（`python3 dev.py render`）。日志只接受下列事件；已用过的种类不改名、不删除。",
        "",
        "Rendered from `audit.kinds` by `python3 dev.py render`. The log accepts no others; one once used is never renamed or removed.",
        "**泄 / D** marks the kinds after which record content, masked or clear, has reached (or may have reached) somebody.",
        "An object in *italics* may be missing.",
    ]
    for group, (zh, en) in GROUPS.items():
        lines += ["", f"## {zh} / {en}", "", "| kind | 含义 | meaning | object | 泄 / D |", "|---|---|---|---|---|"]
        for kind in _ALL:
            if kind.group != group:
                continue
            objects = "any" if set(kind.objects) == set(OBJECTS) else ", ".join(kind.objects)
            about = "" if not objects else objects if kind.required else f"*{objects}*"
            lines.append(f"| `{kind.code}` | {kind.zh} | {kind.en} | {about} | {'●' if kind.discloses else ''} |")
    return "\n".join(lines) + "\n"
