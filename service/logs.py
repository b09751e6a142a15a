"""Structured logs by allow-list: what is not named here is not written, and no value of a request ever is.

A line is JSON. Every key must be on the list and every text must be a code (no spaces, no Chinese), so that a mistake in a calling module
cannot put a person into a log. Exceptions are written as their types and places in the code: their messages may repeat what a driver saw,
and local variables certainly would. Messages of libraries are written as their templates, without arguments.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog
from structlog.tracebacks import ExceptionDictTransformer

from foundation.clock import SystemClock, iso
from foundation.errors import ArchiveError

ALLOWED = frozenset(
    {
        "event",
        "level",
        "time",
        "request_id",
        "method",
        "route",
        "status",
        "duration_ms",
        "client",
        "error",
        "exception",
        "logger",
        "template",
        "fonds",
        "lines",
        "address",
        "port",
        "version",
        "archive",
        "witness",
        "stream",
    }
)
_CODE = re.compile(r"[A-Za-z0-9_.:/{}\-\[\]]{0,200}", re.ASCII)
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_transform = ExceptionDictTransformer(show_locals=False, max_frames=40)


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Send this process's logs, and its libraries' warnings, to `stream` (standard output) from `level` up."""
    stream = stream or sys.stdout
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            _exception,
            allow,
            _time,
            structlog.processors.JSONRenderer(ensure_ascii=True, sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_Libraries()]
    root.setLevel(max(_LEVELS[level], logging.WARNING))


def allow(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The allow-list as a structlog processor: unknown keys go, texts that are no codes become `-`."""
    return {name: _plain(name, value) for name, value in event.items() if name in ALLOWED and value is not None}


def log() -> Any:
    """The logger of the service."""
    return structlog.get_logger()


def report_publishing(fonds: str, error: BaseException | None) -> None:
    """Tell of a checkpoint that could not be published (`audit.publishing.Publisher`)."""
    if error is not None:
        log().error("log.publishing-failed", fonds=fonds or "-", error=code_of(error), exc_info=error)


def report_witness(witness: str, fonds: str, code: str) -> None:
    """Tell of a witness that did not cosign, and of one that does again (`service.cosigning.Cosigning`)."""
    if code:
        log().warning("log.witness-failed", witness=witness, fonds=fonds or "-", error=code)
    else:
        log().info("log.witness-recovered", witness=witness, fonds=fonds or "-")


def report_indexing(fonds: str, error: BaseException | None) -> None:
    """Tell of an index that could not be committed to (`audit.indexing.Indexer`)."""
    if error is not None:
        log().error("log.indexing-failed", fonds=fonds or "-", error=code_of(error), exc_info=error)


def report_stream(stream: str, fonds: str, code: str) -> None:
    """Tell of a stream that is not taken, and of one that is again (`service.streams.sending.Sender`)."""
    if code:
        log().warning("log.stream-failing", stream=stream, fonds=fonds or "-", error=code)
    else:
        log().info("log.stream-resumed", stream=stream, fonds=fonds or "-")


def code_of(error: BaseException) -> str:
    """The stable code of one of our errors, the type's name of any other."""
    return error.code if isinstance(error, ArchiveError) else type(error).__name__


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, bool | int | float) or name in {"exception", "template"}:
        return value
    text = str(value)
    return text if _CODE.fullmatch(text) else "-"


def _time(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event["time"] = iso(SystemClock().now())
    return event


def _exception(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    given = event.pop("exc_info", None)
    event.pop("exception", None)
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["exception"] = places_of(error)
    return event


def places_of(error: BaseException) -> list[dict[str, Any]]:
    """The chain of an exception as types and frames (file, line, function): no message, no argument, no local variable."""
    chain = _transform((type(error), error, error.__traceback__))
    return [{"type": one["exc_type"], "frames": [_frame(frame) for frame in one["frames"]]} for one in chain]


def _frame(frame: Mapping[str, Any]) -> str:
    return f"{'/'.join(str(frame['filename']).split('/')[-2:])}:{frame['lineno']} {frame['name']}"


class _Libraries(logging.Handler):
    """Takes the standard library's log records: their templates and places, never their arguments."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        level = "error" if record.levelno >= logging.ERROR else "warning" if record.levelno >= logging.WARNING else "info"
        getattr(log(), level)("library", logger=record.name, template=_template(record), exc_info=error)


def _template(record: logging.LogRecord) -> str:
    # A message that was formatted before it was logged is no template: it may hold anything.
    text = str(record.msg)
    return text[:200] if record.args else record.levelname
