"""Requests nobody thought of, made from the API's own description: whatever comes in, the answer is one the description knows."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from small_archive import SmallArchive

# Operations that end the very session the test speaks with, or stream for as long as they are fed.
LEFT_OUT = ("/v1/sessions", "/v1/me/secret", "/v1/me/totp", "/v1/cases:batch")
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def cases_of(operation: Any) -> Any:
    """A hypothesis decorator over the operation's own strategy: requests that fit the description, and requests that do not."""
    positive = operation.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE)
    negative = operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)
    return given(case=positive | negative)


@pytest.mark.parametrize("who", ["handler", "inspector", "sysadmin"])
def test_no_request_made_from_the_description_is_answered_outside_it(archive: SmallArchive, who: str) -> None:
    description: dict[str, Any] = archive.http.get(f"{archive.url}/v1/openapi.json").json()
    description["paths"] = {path: item for path, item in description["paths"].items() if not path.startswith(LEFT_OUT)}
    description["servers"] = [{"url": archive.url}]
    logging.getLogger("schemathesis").setLevel(logging.ERROR)
    schema = schemathesis.openapi.from_dict(description, config=SchemathesisConfig())
    token = archive.as_(who).headers["Authorization"]
    tried = 0
    for operation in (one.ok() for one in schema.get_all_operations() if isinstance(one, Ok)):

        @settings(
            max_examples=6,
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
            database=None,
        )
        @cases_of(operation)
        def attempt(case: Any) -> None:
            nonlocal tried
            tried += 1
            case.call_and_validate(base_url=archive.url, headers={"Authorization": token}, checks=CHECKS, timeout=30)

        attempt()
    assert tried > 50
