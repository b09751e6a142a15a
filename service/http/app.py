"""The application: routes, the one way errors are answered, and what surrounds every request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio.to_thread
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from foundation.errors import ArchiveError, InvalidInput
from service.house import House
from service.http import (
    accounting,
    audit_trail,
    cases,
    finding,
    grants,
    health,
    log,
    log_copies,
    me,
    metrics,
    office,
    openapi,
    public_log,
    receipts,
    requests,
    sessions,
    tokens,
    witnessed_log,
)
from service.http.bodies import Bodies
from service.http.errors import BadRequest, MethodNotAllowed, NoSuchRoute
from service.http.middleware import Door
from service.http.problems import answer
from service.http.strict import faults_of

ROUTERS = (
    tokens.router,
    sessions.router,
    me.router,
    cases.router,
    finding.router,
    receipts.router,
    requests.router,
    grants.router,
    audit_trail.router,
    accounting.router,
    log.router,
    log_copies.router,
    public_log.router,
    witnessed_log.router,
    office.router,
    health.router,
    metrics.router,
    openapi.router,
)


def create_app(house: House) -> FastAPI:
    """The HTTP door of an open archive. The house stays its opener's to close."""
    app = FastAPI(
        title=openapi.TITLE,
        version="1",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        redirect_slashes=False,
        generate_unique_id_function=openapi.operation_id,
    )
    app.state.house = house
    app.state.metrics = metrics.Metrics()
    app.state.bodies = Bodies(house.limits.body)
    app.state.readers = public_log.readers(house.limits.threads)
    for router in ROUTERS:
        app.include_router(router)
    app.add_exception_handler(ArchiveError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _of_framework)
    app.add_middleware(
        Door,
        networks=house.networks,
        metrics=app.state.metrics,
        bodies=app.state.bodies,
        https=house.public_url.startswith("https://"),
    )
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    # Acts wait for durable commits in threads; there must be more of them than may ever wait, or reads would wait too.
    house: House = app.state.house
    anyio.to_thread.current_default_thread_limiter().total_tokens = house.limits.threads
    yield


async def _known(request: Request, error: Exception) -> Response:
    told = error if isinstance(error, ArchiveError) else ArchiveError()
    response = answer(told, request.state.request_id)
    if response.status_code == 401 and "authorization" not in request.headers:
        # Nothing was shown, so nothing was wrong with it (RFC 6750, section 3.1).
        response.headers["WWW-Authenticate"] = response.headers["WWW-Authenticate"].partition(", error=")[0]
    if response.status_code >= 500:
        request.state.failure = error
    return response


async def _invalid(request: Request, error: Exception) -> Response:
    """The framework's own checks of paths, queries and headers, in our words and without what was sent."""
    errors = error.errors() if isinstance(error, RequestValidationError) else []
    return answer(InvalidInput(faults_of(errors, skip=1)), request.state.request_id)


async def _of_framework(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    told = {404: NoSuchRoute, 405: MethodNotAllowed}.get(status, BadRequest if status < 500 else ArchiveError)()
    response = answer(told, request.state.request_id)
    if status == 405 and isinstance(error, HTTPException) and error.headers:
        response.headers.update(error.headers)
    return response
