"""Makes a log line of an event: its fields are resolved, limited, and named as in runtime.telemetry.log_fields."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from runtime.telemetry.log_fields import ECS_VERSION, FIELDS, OWN_PREFIX
from runtime.telemetry.logs.current_trace import CURRENT
from runtime.telemetry.logs.error_fields import Fields, error_fields, exception_of, stack_of
from runtime.telemetry.logs.levels import MAIN, main_module

NANOSECONDS = 1_000_000_000
MAX_TEXT_CHARACTERS = 4_000
MAX_STACK_CHARACTERS = 16_000
MAX_ITEMS = 100
CUT = "…"
# Of a hash: 128 bits.
HASH_HEX_DIGITS = 32
# One for all lines: `json.dumps` makes another one at each call with options.
ENCODER = json.JSONEncoder(default=repr)
NAMES = {short: field.name for short, field in FIELDS.items()}


class Event(Fields):
    """The message and the fields of an event of ours, as a record has them; libraries may log a dict as a text."""


class LineFormatter(logging.Formatter):
    """Makes the line of a record, of our events and of libraries. The base class would copy and format each again."""

    def __init__(self, lines: Lines, render: Callable[[logging.LogRecord, Fields], str]) -> None:
        super().__init__()
        self._lines = lines
        self._render = render

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return self._render(record, self._lines.fields(record))


class Lines:
    """Turns a record into the fields of a line by their short names, with `event`, its message."""

    def __init__(self, customer_key: str | None) -> None:
        self._customer_key = None if customer_key is None else customer_key.encode()

    def fields(self, record: logging.LogRecord) -> Fields:
        """Return the fields that have a value, with what it stands for; errors and texts have a limit."""
        event = self._given(record)
        error = exception_of(event.pop("exc_info", None))
        if error is not None:
            event.update(error_fields(error), exc_info=stack_of(error)[:MAX_STACK_CHARACTERS])
        elif "error" in event:
            event.update(error_fields(event["error"]))
        if "customer_id" in event:
            event.update(self._customer(event.pop("customer_id")))
        trace = CURRENT.get()
        if trace is not None and "trace_id" not in event:
            event.update(trace_id=trace.trace_id, span_id=trace.span_id)
        return {name: limited(name, value) for name, value in event.items()}

    def _given(self, record: logging.LogRecord) -> Fields:
        if isinstance(record.msg, Event):
            return {name: value for name, value in record.msg.items() if value is not None}
        return {"event": record.getMessage(), **({"exc_info": record.exc_info} if record.exc_info else {})}

    def _customer(self, customer_id: str) -> Mapping[str, str]:
        """Return the field that tells a customer from others: the id, or its hash if there is a key."""
        if self._customer_key is None:
            return {"customer_id": customer_id}
        return {"customer_hash": customer_hash(self._customer_key, customer_id)}


def customer_hash(key: bytes, customer_id: str) -> str:
    """Return the keyed hash of a customer's id: whoever has the key finds the customer again, nobody else does."""
    return hmac.new(key, customer_id.encode(), hashlib.sha256).hexdigest()[:HASH_HEX_DIGITS]


def limited(name: str, value: Any) -> Any:
    """Return a value with a limit of its size; texts of errors may be as long as a client makes them."""
    if isinstance(value, str):
        return value if name == "exc_info" or len(value) <= MAX_TEXT_CHARACTERS else value[:MAX_TEXT_CHARACTERS] + CUT
    if isinstance(value, (list, tuple, set, frozenset)):
        return [limited(name, item) for item in list(value)[:MAX_ITEMS]]
    return value


class Schema:
    """Names the fields of a line as in the schema, and adds those of every line."""

    def __init__(self, service: str) -> None:
        self._service = service

    def render(self, record: logging.LogRecord, fields: Fields) -> str:
        """Return the line as JSON."""
        message = str(fields.pop("event", ""))
        return ENCODER.encode(self.line(record.created, record.levelname.lower(), message, logger_name(record), fields))

    def line(self, at: float, level: str, message: str, logger: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return a line with fields by their short names; `at` is in seconds since 1970."""
        head = {
            "@timestamp": datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "log.level": level,
            "message": message,
            "service.name": self._service,
            "log.logger": logger,
            "process.pid": os.getpid(),
            "ecs.version": ECS_VERSION,
        }
        if "duration_seconds" in fields:
            fields = {**fields, "duration_seconds": int(fields["duration_seconds"] * NANOSECONDS)}
        return head | {NAMES.get(short, f"{OWN_PREFIX}{short}"): value for short, value in fields.items()}


def logger_name(record: logging.LogRecord) -> str:
    """Return the module that logged; of one that was started as a program its name instead of __main__."""
    return main_module() if record.name == MAIN else record.name
