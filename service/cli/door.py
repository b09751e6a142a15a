"""A person's way in over HTTP, as a browser or any program goes it: sign in, choose a secret, enrol a factor, ask."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, NamedTuple, Self

import httpx

from petition_archive_client.connection import checked_base_url, checked_tls
from service.cli.asking import Answers, sign_in_answers
from service.cli.terminal import CommandFailed

_LIFE = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


class Refused(CommandFailed):
    """The service answered with a problem (RFC 9457): its HTTP status and its stable code."""

    def __init__(self, status: int, code: str, zh: str, en: str) -> None:
        """Keep the problem."""
        super().__init__(zh, f"{en} ({status} {code})" if "\n" not in en else en.replace("\n", f" ({status} {code})\n", 1))
        self.http_status, self.code = status, code


class Factor(NamedTuple):
    """A one-time-code factor to be confirmed: the base32 key, and the same as an `otpauth://` address for a QR code."""

    key: str
    uri: str


class Door:
    """One person's session with a service, or none yet. Requests raise `Refused`, or CommandFailed when nobody answers."""

    def __init__(self, url: str) -> None:
        """Nothing is sent yet. CommandFailed for an address that would carry secrets over a network in clear, as case systems' do not."""
        try:
            self.url = checked_base_url(url)
        except ValueError as wrong:
            zh, _, en = str(wrong).partition(" / ")
            raise CommandFailed(f"--url 不可用：{zh}。", f"--url cannot be used: {en}.", status=2) from None
        self._log = ""
        # No proxy of the environment is handed a secret, and an office's own authority is trusted where its system trusts it.
        self._http = httpx.Client(base_url=self.url, timeout=60.0, trust_env=False, verify=checked_tls(None))

    @classmethod
    def asked(cls, url: str, fonds: str, login: str, answers: Answers) -> Door:
        """A door signed in with what the person answers."""
        door = cls(url)
        door.sign_in(fonds, login, *sign_in_answers(answers, login))
        return door

    def sign_in(self, fonds: str, login: str, password: str, totp: str | None = None) -> dict[str, Any]:
        """Open a session and use it from now on; returns what the service says of it (`must_change_secret`, `must_enrol_factor`, …)."""
        body = {"fonds": fonds, "login": login, "password": password} | ({} if totp is None else {"totp": totp})
        session: dict[str, Any] = self.post("/v1/sessions", body)
        self._log = fonds
        self._http.headers["Authorization"] = f"Bearer {session['access_token']}"
        return session

    def change_secret(self, current: str, new: str) -> None:
        """Choose one's own secret."""
        self.post("/v1/me/secret", {"current": current, "new": new})

    def begin_factor(self, current: str) -> Factor:
        """What an authenticator app takes, once; an earlier one that was not confirmed counts no more."""
        made = self.post("/v1/me/totp", {"current": current})
        return Factor(str(made["secret"]), str(made["otpauth_uri"]))

    def confirm_factor(self, code: str) -> None:
        """Show that the app makes the right codes; the session has two factors from now on."""
        self.post("/v1/me/totp:confirm", {"code": code})

    def log_file(self, name: str) -> bytes:
        """A file of the fonds' log by its name in the static form; the checkpoint first, which tells where the log is now."""
        answer = self.request("GET", f"/log/{self._log}/{name}")
        if answer.is_redirect and _LIFE.fullmatch(life := answer.headers.get("Location", "").removesuffix(f"/{name}")):
            # It was restored and admitted: the same log in a later life.
            self._log = f"{self._log}/{life}"
            answer = self.request("GET", f"/log/{self._log}/{name}")
        return answer.content

    def get(self, path: str) -> Any:
        """GET, as JSON."""
        return self.request("GET", path).json()

    def post(self, path: str, body: Any, **headers: str) -> Any:
        """POST, as JSON; None where the answer is empty. Underscores in names of headers become hyphens."""
        answer = self.request("POST", path, json=body, headers={name.replace("_", "-"): value for name, value in headers.items()})
        return answer.json() if answer.content else None

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Any request."""
        try:
            answer = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise CommandFailed(
                f"服务 {self.url} 没有应答；请核对 --url，以及服务是否在运行。",
                f"No answer from {self.url} ({type(error).__name__}); check --url, and whether the service runs.",
            ) from None
        if answer.is_success or answer.is_redirect:
            return answer
        raise _refused(answer)

    @contextmanager
    def streamed(self, path: str, query: dict[str, str]) -> Iterator[httpx.Response]:
        """GET, its body to be read as it comes; CommandFailed also where it ends early."""
        try:
            with self._http.stream("GET", path, params=query) as answer:
                if not answer.is_success:
                    answer.read()
                    raise _refused(answer)
                yield answer
        except httpx.HTTPError as error:
            raise CommandFailed(
                f"服务 {self.url} 的应答中断，未写入文件；请重试。",
                f"The answer of {self.url} was cut short ({type(error).__name__}) and nothing was written; try again.",
            ) from None

    def sign_out(self) -> None:
        """End the session, where the service still answers: a token that was not needed any more opens nothing."""
        with suppress(CommandFailed):
            self.request("DELETE", "/v1/sessions/current")

    def close(self) -> None:
        """Close the connections; the session stays until it is signed out or ends."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _refused(answer: httpx.Response) -> Refused:
    try:
        problem = answer.json()
        code, zh, en = str(problem["code"]), str(problem["detail_zh"]), str(problem["detail"])
        faults = problem.get("faults", ())
        zh, en = (
            "\n  - ".join([text, *(f"{fault['path']}: {fault[language]}" for fault in faults)])
            for text, language in ((zh, "zh"), (en, "en"))
        )
    except (KeyError, TypeError, ValueError):
        return Refused(
            answer.status_code,
            "unknown",
            "服务的应答无法识别；请核对 --url 是否为本系统的地址。",
            "The answer is not understood; check that --url is of this archive.",
        )
    return Refused(answer.status_code, code, zh, en)
