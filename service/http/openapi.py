"""The description of the API (OpenAPI 3.1), made from the routes and, for the form of a deposit, from the rulebook."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute

from acts.errors import Refused
from foundation.errors import ArchiveError
from policies.form_schema import json_schema
from policies.permit import REFUSALS
from policies.purposes import USAGES
from policies.rulebook.load import Rulebook, base
from service.house import House
from service.http.answers import Answer, reply
from service.http.docs_page import page_of
from service.http.docs_style import POLICY
from service.http.identity import house_of
from service.http.member_labels import LABELS
from service.http.operation_words import WORDS
from service.http.problems import MEDIA_TYPE, TABLE
from service.http.strict import Form, body_of

TITLE: Final = "信访档案系统 Petition archive"
DESCRIPTION: Final = (
    "封存、脱敏、凭审批调阅、全程留痕的信访档案。错误一律为 RFC 9457，`code` 稳定；所列字段错误从不重复所送内容。\n\n"
    "A sealed, masked, audited archive of closed petition cases. Errors are RFC 9457 problems with a stable `code`; faults never repeat"
    " what was sent. Two factors are asked for as in RFC 9470."
)
# Operations that need no session, and why: signing in, being alive, describing oneself, and the log for whoever checks it.
OPEN: Final = frozenset(
    {
        "/v1/token",
        "/healthz",
        "/readyz",
        "/metrics",
        "/docs",
        "/v1/openapi.json",
        "/v1/problems",
        "/log/{log}/checkpoint",
        "/log/{log}/witnessed-checkpoint",
        "/log/{log}/tile/{level}/{file}",
    }
)
OPEN_OPERATIONS: Final = frozenset({("POST", "/v1/sessions")})
router = APIRouter(tags=["说明 Description"])


class ProblemKind(Answer):
    """One kind of problem."""

    code: str
    status: int
    zh: str
    en: str


class ProblemsAnswer(Answer):
    """Every kind of problem a caller may be told of."""

    problems: list[ProblemKind]


def operation_id(route: APIRoute) -> str:
    """`cases_deposit_one`: module and function."""
    return f"{route.endpoint.__module__.rsplit('.', 1)[-1]}_{route.name}"


@router.get("/v1/openapi.json", summary="接口说明 Description of the API", response_class=Response)
def description(request: Request) -> Response:
    """The operations, their bodies and their answers, as this document has them."""
    return Response(_made(request.app)[0], media_type="application/json")


@router.get("/docs", summary="接口一览 The operations, for people", response_class=HTMLResponse)
def page(request: Request) -> Response:
    """The same for people, as one page without scripts or anything from elsewhere: it reads alike without a network."""
    return HTMLResponse(_made(request.app)[1], headers={"Content-Security-Policy": POLICY})


@router.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
def entrance() -> Response:
    """Lead whoever opens the bare address in a browser to the page for people; it is no operation of the API."""
    return RedirectResponse("/docs", 303)


@router.head("/docs", include_in_schema=False)
def page_alone() -> Response:
    """What a browser or a checker asks of the page before it reads it."""
    return HTMLResponse(headers={"Content-Security-Policy": POLICY})


def _made(app: FastAPI) -> tuple[bytes, bytes]:
    """(as JSON, as a page), made once for an application."""
    made: tuple[bytes, bytes] | None = getattr(app.state, "description", None)
    if made is None:
        whole = document(app, base())
        made = app.state.description = json.dumps(whole, ensure_ascii=False).encode(), page_of(whole).encode()
    return made


@router.get("/v1/problems", summary="错误代码 Problem codes", response_model=ProblemsAnswer)
def kinds(house: Annotated[House, Depends(house_of)]) -> Response:  # noqa: ARG001  the same for every archive, yet a part of this one
    """What each `code` means."""
    texts = {code: (words[0], words[1]) for code, words in REFUSALS.items()}
    texts.update((one.code, (one.zh, one.en)) for one in _classes(ArchiveError) if one is not Refused)
    return reply(
        ProblemsAnswer(
            problems=[
                ProblemKind(code=code, status=row.status, zh=texts[code][0], en=texts[code][1])
                for code, row in sorted(TABLE.items())
                if code in texts and (not row.opaque or code == "internal")
            ]
        )
    )


def document(app: FastAPI, rulebook: Rulebook) -> dict[str, Any]:
    """The whole document. The form of a deposit is the base rulebook's; a fonds may have added fields to its own."""
    made = get_openapi(title=TITLE, version="1", openapi_version="3.1.0", description=DESCRIPTION, routes=app.routes)
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    schemas["CaseDeposit"] = {name: value for name, value in json_schema(rulebook).items() if name != "$schema"}
    for route in _operations(app.routes):
        for method in route.methods or ():
            _finish(made["paths"][route.path_format][method.lower()], route, schemas)
    for form, use in (("AccessForm", "request"), ("IdentitySearch", "search")):
        purposes = {code: f"{one.zh} {one.en}" for code, one in rulebook.purposes.by_code.items() if use in one.uses}
        schemas[form]["properties"]["purpose"].update(_codes(purposes))
    schemas["AccessForm"]["properties"]["usage"].update(_codes({code: " ".join(titles) for code, titles in USAGES.items()}))
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    return made


def _codes(titles: Mapping[str, str]) -> dict[str, Any]:
    return {"enum": sorted(titles), "x-titles": dict(titles)}


def _operations(routes: Iterable[BaseRoute]) -> Iterator[APIRoute]:
    for route in routes:
        included = getattr(route, "original_router", None)
        if isinstance(included, APIRouter):
            yield from _operations(included.routes)
        elif isinstance(route, APIRoute) and route.include_in_schema:
            yield route


def _finish(operation: dict[str, Any], route: APIRoute, schemas: dict[str, Any]) -> None:
    if (words := WORDS.get(operation["operationId"])) is not None:
        operation["description"] = f"{words}\n\n{operation['description']}"
    operation.setdefault("security", [])  # said where nobody is asked for, too
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "query":
            parameter["schema"]["title"] = LABELS[parameter["name"]]
    for content in operation.get("requestBody", {}).get("content", {}).values():
        for name, member in content["schema"].get("properties", {}).items():
            member["title"] = LABELS[name]
    for response in operation["responses"].values():
        content = response.get("content", {})
        if MEDIA_TYPE in content and "application/json" in content:
            # FastAPI documents a model under JSON; a problem has its own media type.
            content[MEDIA_TYPE] = content.pop("application/json")
    model = next((model for model in map(_model_of, route.dependant.dependencies) if model is not None), None)
    if model is not None:
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        made = {**schema.pop("$defs", {}), model.__name__: schema}
        for one in made.values():
            for name, member in one.get("properties", {}).items():
                member["title"] = LABELS[name]
        schemas.update(made)
        reference = {"$ref": f"#/components/schemas/{model.__name__}"}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": reference}}}


def _model_of(dependant: Dependant) -> type[Form] | None:
    return dependant.call.model if isinstance(dependant.call, body_of) else None


def _classes(root: type[ArchiveError]) -> list[type[ArchiveError]]:
    found = [root]
    for one in root.__subclasses__():
        found.extend(_classes(one))
    return found
