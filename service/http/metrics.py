"""Prometheus metrics: counts and times by method, path template and status. No label ever holds an identity, a fonds or an id."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.responses import Response

from foundation.errors import NotFound
from service.house import House
from service.http.identity import house_of

router = APIRouter()
_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Metrics:
    """The metrics of one door."""

    def __init__(self) -> None:
        """Begin at nothing, in a registry of its own."""
        self.registry = CollectorRegistry()
        self.requests = Counter("archive_http_requests", "Requests answered", ["method", "route", "status"], registry=self.registry)
        self.seconds = Histogram("archive_http_seconds", "Time to answer", ["method", "route"], buckets=_BUCKETS, registry=self.registry)
        self.deposits = Counter("archive_deposits", "Deposited lines by outcome", ["outcome"], registry=self.registry)
        self.ended = Counter(
            "archive_http_connections_ended", "Connections ended against their client's will", ["why"], registry=self.registry
        )
        self.unsigned = Gauge("archive_log_unsigned_entries", "Durable entries no checkpoint covers yet", registry=self.registry)
        self.failing = Gauge("archive_log_publishing_failing", "Logs whose checkpoints cannot be published", registry=self.registry)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        self.requests.labels(method, route, str(status)).inc()
        self.seconds.labels(method, route).observe(seconds)

    def text(self, house: House) -> bytes:
        """The exposition, with the log's state as of now."""
        self.unsigned.set(sum(lag.unsigned for lag in house.publishing.lags()))
        self.failing.set(len(house.publisher.failing))
        return generate_latest(self.registry)


@router.get(
    "/metrics", tags=["运行 Running"], summary="指标 Metrics", response_class=Response, responses={404: {"description": "Not from outside"}}
)
def metrics(request: Request, house: Annotated[House, Depends(house_of)]) -> Response:
    """For a collector on this machine or on the office's network; from elsewhere it does not exist."""
    if request.state.client == "other":
        raise NotFound
    return Response(request.app.state.metrics.text(house), media_type=CONTENT_TYPE_LATEST)
