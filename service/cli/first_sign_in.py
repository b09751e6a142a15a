"""`first-sign-in`: from a first secret on paper to an account that can be used, without a browser, whatever interrupts it.

Each step is durable at the service once it is answered, so a later run begins with the first one that is missing.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any

import typer

from service.cli.asking import Answers, SecretFile
from service.cli.door import Door, Refused
from service.cli.terminal import INTERRUPTED, CommandFailed, grouped, say

_TRIES = 3
_CODES = 10
_NOTHING = ("本次没有改动任何内容；请再运行同一命令。", "Nothing was changed this time; run the same command again.")
_BEGUN = (
    "尚未改动任何内容；初始口令仍然有效，请再运行同一命令。",
    "Nothing was changed yet; the first secret still holds. Run the same command again.",
)
_UNKNOWN = (
    "新口令可能已经生效：请再运行同一命令，先试新口令，不行再用初始口令。",
    "The new secret may have taken effect: run the same command again with the new secret, and with the first one if it is refused.",
)
_CHANGED = (
    "新口令已经生效，动态验证码尚未绑定；请再运行同一命令并输入新口令，继续绑定。应用中已添加的密钥请删除，届时会给出新的。",
    "The new secret holds, the second factor is not enrolled yet; run this again with the new secret. Delete the app's old key.",
)
_CONFIRMING = (
    "动态验证码可能已经绑定：请用新口令和验证码登录；不行则再运行同一命令，输入新口令重新绑定。",
    "The second factor may be enrolled: sign in with the new secret and a code, or run the same command again with the new secret.",
)


def first_sign_in(
    fonds: Annotated[str, typer.Option(prompt="全宗号 fonds", help="全宗号 / code of the fonds")],
    login: Annotated[str, typer.Option(prompt="登录名 login", help="登录名 / login")],
    url: Annotated[str, typer.Option(help="服务地址 / address of the service")] = "http://127.0.0.1:8700",
    secret_file: SecretFile = None,
) -> None:
    """首次登录：修改初始口令，并（管理员和审批人）绑定动态验证码。 First sign-in: choose a secret, enrol a factor.

    中断后再运行同一命令即可从断处继续：口令已改过的，输入新口令；验证码未绑定的，给出新密钥重新绑定。

    After an interruption run it again, and it goes on: with the new secret where it was changed already, with a new key for the
    authenticator app where none was confirmed. --secret-file holds the first secret, then the new one, then the code.
    """
    answers = Answers(secret_file)
    with Door(url) as door:
        visit = _Visit(door, answers)
        try:
            visit.run(fonds, login)
        except (typer.Abort, KeyboardInterrupt):
            say(f"\n已中断。{visit.left[0]}", f"Interrupted. {visit.left[1]}")
            raise typer.Exit(INTERRUPTED) from None
        except CommandFailed as failed:
            if visit.left in (_NOTHING, _BEGUN):
                raise
            raise CommandFailed(f"{failed.zh}\n{visit.left[0]}", f"{failed.en}\n{visit.left[1]}", status=failed.status) from None
        finally:
            visit.leave()
    say(
        "完成，可以登录了。目前没有网页操作台：检索、申请、审批、调阅的接口调用见 docs/first-opening.md。",
        "Done; the account can be used. There is no console yet: docs/first-opening.md shows the calls to find, ask, approve and open.",
    )


class _Visit:
    """One run, and what it would leave behind if it ended now."""

    def __init__(self, door: Door, answers: Answers) -> None:
        self.left = _NOTHING
        self._door = door
        self._answers = answers
        self._session: dict[str, Any] = {}

    def run(self, fonds: str, login: str) -> None:
        present = self._sign_in(fonds, login)
        if self._session["must_change_secret"]:
            self.left = _BEGUN
            present = self._choose_secret(present)
        if self._session["must_enrol_factor"]:
            self.left = _CHANGED
            self._enrol(present)

    def leave(self) -> None:
        """End the session, if there is one and the service still answers."""
        if self._session:
            with suppress(CommandFailed):
                self._door.request("DELETE", f"/v1/sessions/{self._session['session_id']}")

    def _sign_in(self, fonds: str, login: str) -> str:
        """Sign in with the first secret or, in a later run, the one that was chosen; returns it."""
        tries = _TRIES if self._answers.patient else 1
        while True:
            tries -= 1
            present = self._answers.secret("初始口令（已改过的输入新口令）", "first secret, or the new one where it was changed already")
            try:
                self._session = self._door.sign_in(fonds, login, present)
            except Refused as refused:
                if refused.code != "sign-in-refused" or not tries:
                    raise
                say(
                    "未能登录：请核对全宗号、登录名和口令。若验证码早已绑定，此账号已可使用，请直接登录，不必再做首次登录。",
                    "Not signed in: check fonds, login and secret. Where a factor was confirmed already, the account is ready: sign in with"
                    " secret and code, there is no first sign-in to do.",
                )
            else:
                return present

    def _choose_secret(self, present: str) -> str:
        say(
            "请选一个新口令：至少 12 个字符（本单位可能要求更多），不含本人姓名、登录名或单位名称，不是常见口令。",
            "Choose a new secret of at least 12 characters (your office may want more), without your name, login or unit; no common one.",
        )
        while True:
            new = self._answers.secret("新口令", "new secret", again=True)
            self.left = _UNKNOWN
            try:
                self._door.change_secret(present, new)
            except Refused as refused:
                self.left = _BEGUN
                if refused.code != "secret-refused" or not self._answers.patient:
                    raise
                say(refused.zh, refused.en)
            else:
                break
        say("口令已修改，初始口令就此作废。", "The secret is changed; the first one is void.")
        return new

    def _enrol(self, present: str) -> None:
        factor = self._door.begin_factor(present)
        say(
            "您的岗位须用动态验证码。请在验证器应用中新建一项（按时间），输入下面的密钥，或打开其后的地址，二者内容相同：",
            "Your post needs a second factor. Add this key to an authenticator app (time-based), or open the address below it, which says"
            " the same:",
        )
        say(f"\n  {grouped(factor.key)}\n  {factor.uri}\n")
        for left in reversed(range(_CODES)):
            code = self._answers.code("应用显示的六位验证码", "the six digits it shows")
            self.left = _CONFIRMING
            try:
                self._door.confirm_factor(code)
            except Refused as refused:
                self.left = _CHANGED
                if refused.code not in {"factor-refused", "invalid-input"} or not left or not self._answers.patient:
                    raise
                say(
                    "验证码不对。每个验证码只能用一次，约 30 秒换一个：请等应用显示下一个再输入，并核对本机与手机的时间。",
                    "That code is not right. A code works once and lasts about 30 seconds: wait for the next one, and check the clocks of"
                    " this machine and the phone.",
                )
            else:
                break
        say("动态验证码已绑定。", "The second factor is enrolled.")
