"""A person's way in over HTTP, as a browser or any program goes it: sign in, choose a secret, enrol a factor, ask."""

from __future__ import annotations

from types import TracebackType
from typing import Any, NamedTuple, Self

import httpx

from service.cli.asking import Answers, sign_in_answers
from service.cli.terminal import CommandFailed


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
        """Nothing is sent yet."""
        self._http = httpx.Client(base_url=url.rstrip("/"), timeout=60.0)
        self.url = url.rstrip("/")

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
        """A file of the fonds' log by its name in the static form."""
        return self.request("GET", f"/v1/log/{name}").content

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
        if answer.is_success:
            return answer
        raise _refused(answer)

    def close(self) -> None:
        """Close the connections; the session stays until it is closed or ends."""
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
