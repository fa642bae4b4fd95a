"""JSON logs: a constant message per event, data in fields (runtime.telemetry.log_fields)."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import structlog

from runtime.log_levels import LogLevels, parse
from runtime.settings import FILE_SUFFIX, PREFIX, Settings
from runtime.telemetry.console import escaped
from runtime.telemetry.logs import levels
from runtime.telemetry.logs.error_fields import Fields
from runtime.telemetry.logs.lines import Event, LineFormatter, Lines, Schema, logger_name
from runtime.telemetry.output import Output

CHANGED = "log levels changed"
LEVELS_FILE = f"{PREFIX}LOG_LEVEL{FILE_SUFFIX}"


def configure(service: str, settings: Settings) -> None:
    """Write all logs, including those of libraries, to standard output, one line per event."""
    schema, key = Schema(service), settings.log_customer_key
    lines = Lines(None if key is None else key.get_secret_value())
    handler = logging.StreamHandler(Output(sys.stdout.fileno(), lambda lost, cause: lost_lines(schema, lost, cause)))
    handler.setFormatter(LineFormatter(lines, for_people() if settings.log_format == "console" else schema.render))
    logging.basicConfig(handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, as_message],
        wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    without_what_no_line_has()
    log_uncaught()
    known = parse(settings.log_level)
    levels.apply(known)
    if path := os.environ.get(LEVELS_FILE):
        levels.watch(Path(path), known, apply_levels, levels_refused)


def as_message(_: object, __: str, event: structlog.typing.EventDict) -> tuple[tuple[object], dict[str, object]]:
    """Return an event as arguments of the standard library's logger: LineFormatter takes it from the record."""
    return (Event(event),), {}


def without_what_no_line_has() -> None:
    """Leave out of records what no line has: the place of the call, thread and process."""
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def apply_levels(changed: LogLevels) -> None:
    """Apply the levels of the file, and log them under those before or those after, whichever let the line through."""
    told = logging.getLogger(__name__).isEnabledFor(logging.INFO)
    if told:
        logger().info(CHANGED, levels=str(changed))
    levels.apply(changed)
    if not told:
        logger().info(CHANGED, levels=str(changed))


def levels_refused(error: Exception) -> None:
    """Log that the file of levels is wrong."""
    logger().error("log levels refused, the ones before stay", error=error)


def log_uncaught() -> None:
    """Log errors that end the process or a thread, instead of a traceback of several lines."""

    def of_process(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, Exception):
            logger().critical("process ended by an error", exc_info=error)
        else:
            sys.__excepthook__(kind, error, trace)

    def of_thread(given: threading.ExceptHookArgs) -> None:
        logger().error("thread ended by an error", task=given.thread and given.thread.name, exc_info=given.exc_value)

    sys.excepthook = of_process
    threading.excepthook = of_thread


def for_people() -> Callable[[logging.LogRecord, Fields], str]:
    """Return what makes the lines for a console; the message is text of others in the logs of libraries."""
    renderer = structlog.dev.ConsoleRenderer()

    def render(record: logging.LogRecord, fields: Fields) -> str:
        message = escaped(str(fields.pop("event", "")))
        at, level = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)), record.levelname.lower()
        head = {"timestamp": at, "level": level, "logger": logger_name(record), "event": message}
        return renderer(None, level, {**head, **fields})

    return render


def lost_lines(schema: Schema, lost: int, cause: str) -> str:
    """Return the line that reports lines which could not be written."""
    return json.dumps(
        schema.line(time.time(), "error", "log lines lost", Output.__module__, {"lost": lost, "reason": cause})
    )


def logger() -> structlog.typing.FilteringBoundLogger:
    """Return the logger of the process; its name in the lines, which a level can be set for, is the calling module."""
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger(sys._getframe(1).f_globals["__name__"])
    return log


def debugs(module: str) -> bool:
    """Return whether a module logs below info; in a hot path it is asked before the fields of a line are made."""
    return logging.getLogger(module).isEnabledFor(logging.DEBUG)
