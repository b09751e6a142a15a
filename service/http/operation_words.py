"""What each operation does, in Chinese, for the description of the API: it stands before the English of the route's own docstring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

WORDS: Final[Mapping[str, str]] = {
    "tokens_token": "一个断言只用一次，换一个访问令牌。断言无论因何被拒，应答都一样。",
    "sessions_enter": "凭登录名、口令和（已绑定的）动态验证码开始会话。无论因何被拒，应答和耗时都一样。",
    "sessions_mine": "本人账号目前有效的会话。",
    "sessions_renew": "为当前会话换一个新的访问令牌：令牌有效数分钟，会话有效数小时。",
    "sessions_leave": "结束本人的一个会话：当前的（写 `current` 或其编号），或留在别处未退出的。",
    "me_me": "账号、目前担任的岗位，以及会话须先完成的事项。",
    "me_secret": "修改本人口令；本账号的其他会话随即结束。",
    "me_enrol": "凭现用口令开始绑定验证器应用；确认之前不起作用。",
    "me_confirm": "以一个验证码确认：当前会话从此为双因素，本账号的其他会话结束。",
    "cases_deposit_one": "接收一件已办结的案卷，落盘之后才应答。同一内容重报得到同一张回执（200），同号不同内容为 409。",
    "cases_deposit_stream": (
        '逐行报送，逐行应答：`{"line", "status", "receipt" | "problem"}`，末行为 `{"done": true, …}`。'
        "没有得到应答的行即未接收，请重发。边发边不读应答的，每次不超过 20,000 行。"
    ),
    "cases_add": "补充后来的复查复核、评价、裁决：形成新版本，以前各版都保留。同一键重报，得到同一张回执（200）。",
    "cases_replace": "以更正后的同号案卷替换：形成新版本，对以前版本的授权随即失效。同一键重报，得到同一张回执（200）。",
    "cases_see": "脱敏视图，人人的默认视图。每次查看记一条，先落盘，后打开。",
    "finding_find": "在本人权限范围内检索、计数、翻页，条件限于本人看得到明文的字段。",
    "finding_find_identity": "按姓名、证件号码或电话精确检索：须有目的，逐次留痕，并限次数（`RateLimit`）。",
    "receipts_fetch": "再取回执，供报送它的业务系统和档案员使用。",
    "receipts_proof": "证明已签名的日志中有这次归档的条目；归档后约一秒内为 409 `not-yet-published`。",
    "requests_file": "提交审批表。所列案卷有申请人无权知悉的，为 404；有环节无人可批的，为 409，并附 `stages`。",
    "requests_one": "一份审批表及其事由，供申请人和可以审批、已经审批的人阅读。审批时以其 ETag 指明所依据的版本。",
    "requests_withdraw": "申请人撤回尚未审结的审批表。",
    "requests_decide": "同意（可少给），或不同意并说明理由。两人同时审批，一人成功，另一人得到 409 或 412。",
    "grants_several": "本人的授权及其目前状态。",
    "grants_give_back": "持有人提前归还授权。",
    "grants_revoke": "审批人、主要领导或安全保密管理员收回授权，立即生效，不可恢复。",
    "grants_open_case": (
        "开始调阅一件案卷（用去一次），或在进行中的调阅内重读。不用 Idempotency-Key：再次请求即再次判断；"
        "调阅期间重读不另计次，明文应答不留存、不重放。"
    ),
    "grants_read_on": "在本人进行中的调阅内再读一次；已结束的为 404。",
    "audit_trail_ask": "何人何时对何案卷做了何事、为何：限于本人角色可查的条目种类，并在检举控告隔离之外。",
    "accounting_account_for": (
        "关于某案卷、人员、账号或授权的全部条目，并证明到某一条数为止再无其他：供可以导出日志的人使用。"
        "答复可用 `petition-archive audit check-answer` 在服务关闭时校验。`since` 为先前留存的检查点的条数，从它起证明日志只有增长。"
        "索引承诺正在公布时为 409，请一秒后再试。"
    ),
    "audit_trail_entry": "按日志序号看一条。",
    "audit_trail_who_saw": (
        "谁看过一件案卷，或某位信访人的全部案卷：列表、检索、脱敏查看、明文调阅，按人、按方式归并；限于本人可查的范围。"
        "按信访人查，即一次按身份检索：须有目的，限次数，另行留痕。"
    ),
    "audit_trail_timeline": "一件案卷的经过，或一份授权从提交审批表到最后一次调阅的经过，由先到后；限于本人可查的范围。",
    "log_inclusion": "证明序号 `index` 的条目在已签名的日志中；检查点尚未覆盖时为 409。",
    "log_consistency": "证明现在签名的日志以最初 `old_size` 条为开头，此后只有追加。",
    "log_copies_copy": "已发布的第 `first` 至 `last` 条，按所选格式逐步送出；须有导出日志的权限，先留痕。少于 `Archive-Entries` 即不完整。",
    "public_log_entries": "条目原文，供可以导出本全宗日志的人取用，每次应答都留痕。",
    "public_log_tile": "人人可取；档案库只对已登录者公开日志的，为 401。",
    "public_log_checkpoint": "最新的已签名检查点，人人可取；档案库只对已登录者公开日志的，为 401。",
    "witnessed_log_witnessed_checkpoint": "由档案库所要求的那么多见证人联署的最新检查点；没有的为 404。",
    "office_create_unit": "在存续的机构之下设立机构。",
    "office_list_units": "机构一览，含已撤销的；查看留痕。",
    "office_rename_unit": "机构更名；条目和任职仍保留当时的名称。",
    "office_move_unit": "把机构改隶另一机构。这会改变谁领导谁、谁看得到哪些案卷，由安全保密管理员办理。",
    "office_end_unit": "撤销下面没有机构和岗位的机构。",
    "office_create_post": "设立岗位；由谁担任，由安全保密管理员办理。",
    "office_list_posts": "岗位及现任、将任的人员；查看留痕。",
    "office_end_post": "撤销现在和将来都无人担任的岗位。",
    "office_hold_post": "任岗即授予角色。任何人不得任命自己；不相容的岗位会被拒绝（409）。",
    "office_leave_post": "立即免去所任岗位；任职记入历史。",
    "office_register_person": "登记工作人员；能做什么，取决于岗位。",
    "office_list_people": "工作人员一览，含已离任的；查看留痕。",
    "office_let_leave": "注明人员已离任，其账号永久关闭。须先免去岗位。",
    "office_create_account": "为人员开设其唯一的账号；初始口令只告知一次。",
    "office_list_accounts": "人员账号一览；查看留痕。",
    "office_block_account": "立即停用账号，其会话随即结束。",
    "office_unblock_account": "恢复被停用的账号。",
    "office_reset_secret": "给账号新的初始口令；原口令和全部会话随即作废。",
    "office_reset_factor": "解除账号的动态验证码；其会话随即结束，须重新绑定。",
    "office_list_sessions": "某账号目前有效的会话；查看留痕。",
    "office_revoke_session": "立即结束他人的一个会话：其令牌下次使用即失效。",
    "office_register_client": "登记业务系统：一个全宗、一把密钥，只有报送一种角色。同一来源系统后来登记的，须待确认。",
    "office_list_clients": "业务系统一览，含已注销的；查看留痕。",
    "office_confirm_client": "准许同一来源系统后来登记的业务系统（新密钥）使用，由安全保密管理员办理。",
    "office_revoke_client": "永久注销业务系统：其令牌下次使用即失效。",
    "health_alive": "进程有应答。",
    "health_ready": "数据库、密钥环和日志可用；不可用的部分以 503 指明。",
    "metrics_metrics": "供本机或本单位网络上的采集程序使用；对外如同不存在。",
    "openapi_description": "接口、请求正文和应答的说明，即本文件。",
    "openapi_page": "供人阅读的同一说明：一页，没有脚本，不加载任何外来内容，没有网络时看到的也一样。",
    "openapi_kinds": "每个 `code` 的含义。",
}
"""By operation id."""
