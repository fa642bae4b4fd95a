"""JSON logs: a constant message per event, data in fields (runtime.telemetry.log_fields)."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

import structlog

from runtime.settings import Settings
from runtime.telemetry.console import escaped
from runtime.telemetry.output import Output


def configure(service: str, settings: Settings) -> None:
    """Write all logs, including those of libraries, to standard output, one line per event."""

    def name_service(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        # Not a context variable: threads and gRPC handlers run in separate contexts.
        event["service"] = service
        return event

    shared: list[structlog.typing.Processor] = [
        name_service,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer()
    if settings.log_format == "console":
        shared.append(escape_event)
        renderer = structlog.dev.ConsoleRenderer()
    output = Output(sys.stdout.fileno(), lost_lines)
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=output),  # type: ignore[arg-type]  # only write() is used
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(output)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared))
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)


def escape_event(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Escape the event, which is text of others in the logs of libraries; the renderer escapes the fields itself."""
    event["event"] = escaped(str(event["event"]))
    return event


def lost_lines(lost: int, cause: str) -> str:
    """Return the line that reports lines which could not be written."""
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return json.dumps({"time": now, "level": "error", "event": "log lines lost", "lost": lost, "reason": cause})


def logger() -> structlog.typing.FilteringBoundLogger:
    """Return the logger of the process."""
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return log
