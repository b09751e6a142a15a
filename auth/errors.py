"""What auth refuses. A refusal at the door has one text for every cause: neither word nor code nor time tells which accounts exist."""

from __future__ import annotations

from foundation.errors import ArchiveError, Conflict, InvalidInput, NotFound


class SignInRefused(ArchiveError):
    """Unknown login, wrong secret, wrong or missing code, blocked or locked: all alike to the caller. The log knows the reason."""

    code = "sign-in-refused"
    zh = "未能登录：登录名、口令或动态验证码不正确，或账号暂不可用。验证码只能用一次，刚用过的请等下一个。"
    en = (
        "Not signed in: the login, secret or one-time code is wrong, or the account cannot be used at present. A code works once: after"
        " using one, wait for the next."
    )


class SignInBusy(ArchiveError):
    """Too many secrets are being checked at once; nothing was checked and nothing was counted."""

    code = "sign-in-busy"
    zh = "登录请求过多，请稍后重试。"
    en = "Too many sign-ins at this moment; try again shortly."


class TooManyTries(ArchiveError):
    """Too many unsuccessful proofs of identity came from this client address; nothing was checked."""

    code = "too-many-tries"
    zh = "来自此网络地址的未成功登录过多，请在 {seconds} 秒后再试。"
    en = "Too many unsuccessful sign-ins came from this network address; try again in {seconds} seconds."


class NotSignedIn(ArchiveError):
    """No session, or one that has ended: expired, idle, revoked, or its account was blocked."""

    code = "not-signed-in"
    zh = "会话不存在或已结束，请重新登录。"
    en = "There is no session, or it has ended; sign in again."


class SecretMustChange(ArchiveError):
    """The session may do nothing until its holder has chosen a secret of their own."""

    code = "secret-must-change"
    zh = "首次登录或口令已到期，请先修改口令。"
    en = "This is the first sign-in or the secret is too old: change the secret first."


class FactorMissing(ArchiveError):
    """The holder's role needs a second factor; the session may do nothing until one is enrolled and used."""

    code = "factor-missing"
    zh = "您的岗位须使用动态验证码，请先绑定。"
    en = "Your post requires a second factor: enrol one first."


class SecretWrong(ArchiveError):
    """The present secret, asked for again inside a session, is wrong or can no longer be tried."""

    code = "secret-wrong"
    zh = "原口令不正确，或尝试次数过多。"
    en = "The present secret is wrong, or was tried too often."


class FactorRefused(ArchiveError):
    """The one-time code is wrong, too old, or was used before."""

    code = "factor-refused"
    zh = "动态验证码不正确、已过期或已使用。每个验证码只能用一次，请等应用显示下一个。"
    en = "The one-time code is wrong, expired or already used. A code works once: wait for the next one."


class FactorPresent(Conflict):
    """A confirmed factor is replaced only after the security administrator has withdrawn it."""

    code = "factor-present"
    zh = "已绑定动态验证码；更换须先由安全保密管理员解除。"
    en = "A second factor is already enrolled; the security administrator must withdraw it first."


class SecretRefused(InvalidInput):
    """The new secret breaks a rule; the faults name the rules, never the secret."""

    code = "secret-refused"
    zh = "新口令不符合要求。"
    en = "The new secret does not meet the requirements."


class RoleNotHeld(ArchiveError):
    """The role asked for is not one of the posts held now, or no post is held at all. `role`: which, by its code."""

    code = "role-not-held"
    zh = "此操作所需的岗位，您目前没有担任：{role}。"
    en = "This needs a post you do not hold at present: {role}."

    def __init__(self, role: str = "任一岗位 any post") -> None:
        """Keep the role that is needed: a code of the rulebook, never what a caller wrote."""
        super().__init__(role=role)


class SeparationBroken(Conflict):
    """The roles may not be held by one person (三员分立, 不相容岗位分离)."""

    code = "separation-broken"
    zh = "岗位“{role}”与已任岗位“{held}”不得由同一人担任。"
    en = "The roles “{role}” and “{held}” may not be held by one person."


class PostTaken(Conflict):
    """Somebody holds the post in that time; a post has one regular and one acting holder."""

    code = "post-taken"
    zh = "该岗位在此期间已有人担任。"
    en = "The post is already held in that time."


class NotInForce(Conflict):
    """The unit, post, person or holding is not in force at that time: not begun, ended, or left."""

    code = "not-in-force"
    zh = "所指的机构、岗位或人员在该时间并不有效。"
    en = "The unit, post, person or holding is not in force at that time."


class StillInUse(Conflict):
    """It cannot end while something still stands under it."""

    code = "still-in-use"
    zh = "仍有下级机构、岗位或任职，不能撤销。"
    en = "Units, posts or holdings still stand under it; it cannot end."


class UnitCycle(Conflict):
    """A unit cannot stand under itself, nor be its own successor."""

    code = "unit-cycle"
    zh = "机构不能隶属于自身或其下级，也不能由自身承继。"
    en = "A unit cannot stand under itself or its own subordinate, nor succeed itself."


class AlreadyThere(Conflict):
    """The login, staff number, unit code or key is already registered, or the person already has a live account."""

    code = "already-there"
    zh = "该登录名、工号、机构代码或密钥已登记，或此人已有账号（一人一账号）。"
    en = "This login, staff number, unit code or key is already registered, or the person already has an account."


class BadKey(InvalidInput):
    """The public key is not one we take: P-256, on its curve, public members only."""

    code = "key-refused"
    zh = "公钥不符合要求。"
    en = "The public key does not meet the requirements."


class TokenRefused(ArchiveError):
    """A token that does not hold; `reason` is a code for the log, never shown."""

    code = "token-refused"
    zh = "令牌无效。"
    en = "The token is not valid."

    def __init__(self, reason: str) -> None:
        """Keep the reason code."""
        super().__init__()
        self.reason = reason


class ClientRefused(ArchiveError):
    """Unknown client, wrong key, expired or repeated assertion: all alike to the caller (RFC 6749 `invalid_client`)."""

    code = "client-refused"
    zh = "客户端认证失败。"
    en = "The client could not be authenticated."


class NoSuchThing(NotFound):
    """The unit, person, post, holding, account, client or session does not exist in this fonds."""
