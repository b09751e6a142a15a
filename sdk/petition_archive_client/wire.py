"""What both drivers share: how the transport is set up, and what its exceptions amount to."""

from __future__ import annotations

import ssl
from typing import Any

import httpx

from petition_archive_client.connection import Terms, checked_tls
from petition_archive_client.exchange import Failure, Head

USER_AGENT = "petition-archive-client/0.1"


def transport_options(terms: Terms, tls: ssl.SSLContext | None) -> dict[str, Any]:
    """Options for an httpx client.

    Redirects are never followed, and proxies of the environment never used: case and token go to the address that was given.
    """
    timeouts = terms.timeouts
    return {
        "base_url": terms.base_url,
        "verify": checked_tls(tls),
        "trust_env": False,
        "follow_redirects": False,
        "headers": {"User-Agent": USER_AGENT},
        # Shorter than servers keep idle connections: a request must not set out on one that is being closed.
        "limits": httpx.Limits(max_connections=20, max_keepalive_connections=10, keepalive_expiry=2.0),
        "timeout": httpx.Timeout(timeouts.piece, connect=timeouts.connect, pool=timeouts.piece),
    }


def head_of(response: httpx.Response) -> Head:
    return Head(response.status_code, {name.lower(): value for name, value in response.headers.items()})


def failure_of(error: Exception) -> Failure:
    """What a transport error means for the request: nothing of the error itself is kept."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Failure("tls")
        cause = cause.__cause__ or cause.__context__
    return Failure("not-sent" if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout) else "lost")
