"""Prometheus metrics: counts and times by method, path template and status, and how each fonds' log is.

No label ever holds a person, a case, or an id of anything; the logs' have the code of their fonds, which outsiders who read it have too.
`docs/operations.md` has rules for alarms.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.responses import Response

from audit.watching import LogState, states
from audit.witnessing import WitnessLag, lags
from foundation.clock import to_ms
from foundation.errors import NotFound, StorageUnavailable
from service.house import House
from service.http.identity import house_of
from service.logs import code_of

router = APIRouter()
_OF_LOGS: Final[tuple[tuple[str, str, Callable[[LogState], float | None]], ...]] = (
    ("entries", "Durable entries", lambda log: log.size),
    ("signed_entries", "Entries the last checkpoint covers", lambda log: log.signed),
    ("unsigned_entries", "Durable entries no checkpoint covers yet", lambda log: log.size - log.signed),
    ("unsigned_seconds", "Age of the oldest entry no checkpoint covers; 0 where all are covered", lambda log: log.unsigned_seconds),
    ("entry_timestamp_seconds", "When the newest entry was made", lambda log: log.newest),
    ("checkpoint_timestamp_seconds", "When the last checkpoint was signed", lambda log: log.signed_at),
    ("heartbeat_timestamp_seconds", "When a quiet log last said so", lambda log: log.beat),
)
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

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        self.requests.labels(method, route, str(status)).inc()
        self.seconds.labels(method, route).observe(seconds)

    def text(self, house: House) -> bytes:
        """The exposition, with the state of log and commits as of now."""
        return generate_latest(self.registry) + generate_latest(_state(house))


def _state(house: House) -> CollectorRegistry:
    """What is asked of the house anew each time, so that two collectors at once, or a fonds that is gone, leave nothing behind."""
    registry = CollectorRegistry()

    def gauge(name: str, says: str, value: float) -> None:
        Gauge(f"archive_{name}", says, registry=registry).set(value)

    gauge("commit_waiting", "Acts that wait for a commit", house.desk.uow.waiting())
    gauge(
        "commit_oldest_seconds", "For how long the oldest act without an answer has waited for its commit", house.desk.uow.oldest_seconds()
    )
    gauge(
        "log_publisher_idle_seconds", "Seconds since this process last went through all logs to publish them", house.publisher.idle_seconds
    )
    gauge("log_heartbeat_interval_seconds", "After how long a quiet log says so; 0: never", house.heartbeat_seconds)
    failing = Gauge("archive_log_publishing_failing", "Logs whose checkpoints cannot be published", ["fonds", "code"], registry=registry)
    for fonds, error in dict(house.publisher.failing).items():
        failing.labels(fonds, code_of(error)).set(1)
    logs: list[LogState] = []
    behind: list[WitnessLag] = []
    to_be_sent: dict[str, int] = {}
    reachable = True
    try:
        to_be_sent = house.streams.behind()
        logs = states(house.publishing)
        with house.desk.db.read() as conn:
            behind = lags(conn, house.desk.panel, [log.fonds for log in logs], to_ms(house.desk.clock.now()))
    except StorageUnavailable:
        reachable = False
    gauge("database_reachable", "Whether the database answered now", reachable)
    for name, says, value in _OF_LOGS:
        family = Gauge(f"archive_log_{name}", says, ["fonds"], registry=registry)
        for log in logs:
            if (now := value(log)) is not None:
                family.labels(log.fonds).set(now)
    behind_by = Gauge("archive_stream_behind_entries", "Published entries a stream's receiver has not taken", ["stream"], registry=registry)
    for stream, entries in to_be_sent.items():
        behind_by.labels(stream).set(entries)
    stuck = Gauge("archive_stream_failing", "Logs a stream cannot send on", ["stream", "fonds", "code"], registry=registry)
    for sender in house.streams.senders:
        for fonds, code in dict(sender.failing).items():
            stuck.labels(sender.stream.name, fonds, code).set(1)
    named = ["fonds", "witness"]
    late = Gauge("archive_log_witness_behind_seconds", "Age of the oldest checkpoint a witness has not cosigned", named, registry=registry)
    unseen = Gauge("archive_log_witness_behind_entries", "Published entries a witness has not cosigned", named, registry=registry)
    for lag in behind:
        late.labels(lag.fonds, lag.witness).set(lag.behind_ms / 1000)
        unseen.labels(lag.fonds, lag.witness).set(lag.entries)
    wrong = Gauge("archive_log_witness_failing", "Logs a witness does not cosign", [*named, "code"], registry=registry)
    for (witness, fonds), code in house.cosigning.faults().items():
        wrong.labels(fonds, witness, code).set(1)
    return registry


@router.get(
    "/metrics", tags=["运行 Running"], summary="指标 Metrics", response_class=Response, responses={404: {"description": "Not from outside"}}
)
def metrics(request: Request, house: Annotated[House, Depends(house_of)]) -> Response:
    """For a collector on this machine or on the office's network; from elsewhere it does not exist."""
    if request.state.client == "other":
        raise NotFound
    return Response(request.app.state.metrics.text(house), media_type=CONTENT_TYPE_LATEST)
