"""What log lines say of an error: class, code, message and stack, but no values of rows, which may be personal."""

from __future__ import annotations

import traceback
from types import TracebackType
from typing import Any

Fields = dict[str, Any]
ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None]

MAX_FRAMES = 40
# Of an exception group.
MAX_PARTS = 5


def error_fields(error: object) -> Fields:
    """Return the fields of an error: an exception, an error of Kafka's library, or a text."""
    if isinstance(error, str):
        return {"error": error.strip()}
    kafka = kafka_error(error)
    message, code = (kafka.str(), kafka.name()) if kafka is not None else (database_message(error), sqlstate(error))
    known = {"error_code": code} if code else {}
    return {"error": message, "error_type": type_of(error), **known}


def database_message(error: object) -> str:
    """Return the message of an error; of PostgreSQL's only the first part: DETAIL may contain values of the row."""
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    return str(primary or error).strip()


def sqlstate(error: object) -> str:
    """Return PostgreSQL's code of an error, empty without one."""
    return str(getattr(error, "sqlstate", None) or "")


def kafka_error(error: object) -> Any:
    """Return the error of Kafka's library that an error is or contains, None when there is none."""
    arguments = getattr(error, "args", ())
    for found in (error, *arguments[:1]):
        if callable(getattr(found, "str", None)) and callable(getattr(found, "name", None)):
            return found
    return None


def type_of(error: object) -> str:
    """Return the class of an error with its module."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def exception_of(given: object) -> BaseException | None:
    """Return the exception of `exc_info` as the library takes it: an exception, what sys.exc_info returns, or True."""
    if isinstance(given, tuple):
        given = given[1]
    return given if isinstance(given, BaseException) else None


def stack_of(error: BaseException) -> str:
    """Return where an error and those that led to it were raised, the first one last; without their messages."""
    parts: list[str] = []
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        frames = traceback.format_list(traceback.extract_tb(found.__traceback__)[-MAX_FRAMES:])
        parts.append("".join([*frames, type_of(found)]))
        if isinstance(found, BaseExceptionGroup):
            parts += [stack_of(part) for part in found.exceptions[:MAX_PARTS]]
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)
    return "\n".join(parts)
