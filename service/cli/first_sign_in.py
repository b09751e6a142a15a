"""`first-sign-in`: from a first secret on paper to an account that can be used, without a browser."""

from __future__ import annotations

from typing import Annotated

import typer

from service.cli.door import Door
from service.cli.terminal import say


def first_sign_in(
    fonds: Annotated[str, typer.Option(prompt="全宗号 fonds", help="全宗号 / code of the fonds")],
    login: Annotated[str, typer.Option(prompt="登录名 login", help="登录名 / login")],
    url: Annotated[str, typer.Option(help="服务地址 / address of the service")] = "http://127.0.0.1:8700",
) -> None:
    """首次登录：修改初始口令，并（管理员和审批人）绑定动态验证码。 First sign-in: choose a secret, enrol a factor."""
    with Door(url) as door:
        first = typer.prompt("初始口令 first secret", hide_input=True, err=True)
        session = door.sign_in(fonds, login, first)
        if session["must_change_secret"]:
            new = typer.prompt("新口令，至少 12 个字符 new secret", hide_input=True, confirmation_prompt="再输一次 once more", err=True)
            door.change_secret(first, new)
            say("口令已修改。", "The secret is changed.")
        if session["must_enrol_factor"]:
            uri = door.begin_factor()
            say(f"请将此地址加入验证器应用：\n  {uri}", "Add this address to an authenticator app.")
            door.confirm_factor(typer.prompt("应用显示的六位验证码 the six digits it shows", err=True))
            say("动态验证码已绑定。", "The second factor is enrolled.")
        door.request("DELETE", f"/v1/sessions/{session['session_id']}")
    say("完成，可以登录了。", "Done; the account can be used.")
