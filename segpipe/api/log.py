"""The service's log: one JSON object a line, or readable lines on a terminal.

Requests go to standard output; warnings and errors, those of libraries too, to standard error. No
line holds the text of an unexpected error, which may quote a customer: its type and place stand.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from typing import TextIO

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

LOG = logging.getLogger("segpipe.api")
_ENCODER = json.JSONEncoder(default=repr)  # json.dumps would make one for each line


def configure_log() -> None:
    """Write what any library logs to standard error, in the format of the requests."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.ExtraAdder(allow=("request_id",)),
                *_processors(),
            ],
            processors=[ProcessorFormatter.remove_processors_meta, _renderer(sys.stderr)],
        )
    )
    logging.getLogger().handlers[:] = [handler]


def log_request(**fields: object) -> None:
    """A line about a request that has been answered."""
    with suppress(OSError, ValueError):  # the reader of the log may be gone
        _requests().info("request", **fields)


def log_error(error: BaseException, request_id: str | None = None) -> None:
    """A line that says where an unexpected error arose, and not what it says."""
    extra = {"request_id": request_id} if request_id else {}
    LOG.error("unexpected error", exc_info=error, extra=extra)


@cache
def _requests() -> FilteringBoundLogger:
    logger: FilteringBoundLogger = structlog.wrap_logger(
        structlog.WriteLogger(sys.stdout),
        processors=[*_processors(), _renderer(sys.stdout)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    ).bind()
    return logger


def _processors() -> list[Processor]:
    return [structlog.stdlib.add_log_level, _hide_error_text, _begin_with_time]


def _hide_error_text(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    found = event.pop("exc_info", None)
    error = found[1] if isinstance(found, tuple) else None
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        event["stack"] = "".join(traceback.format_tb(error.__traceback__))
    return event


def _begin_with_time(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"time": now, "level": event.pop("level"), "event": event.pop("event"), **event}


def _renderer(stream: TextIO) -> Processor:
    if stream.isatty():
        return structlog.dev.ConsoleRenderer(colors=False, sort_keys=False, timestamp_key="time")
    return structlog.processors.JSONRenderer(serializer=_to_json)


def _to_json(event: EventDict, **_options: object) -> str:
    return _ENCODER.encode(event)
