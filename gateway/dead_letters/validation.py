"""Validates the requests of DeadLetterService and reports all violations. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ordermesh.events.v1.events_pb2 import EventType
from ordermesh.gateway.v1.dead_letters_pb2 import (
    ChangeDeadLettersRequest,
    DeadLetter,
    GetDeadLetterRequest,
    ListDeadLettersRequest,
    ResumePartitionsRequest,
)

from runtime import timestamps
from runtime.errors import InvalidRequest, Violation
from runtime.grpc import field_rules

PAGE_SIZE = field_rules.number(ListDeadLettersRequest, "page_size")
MAX_IDS = field_rules.rules(ChangeDeadLettersRequest, "dead_letter_ids").items.max_items
MAX_PARTITIONS = field_rules.rules(ResumePartitionsRequest, "partitions").items.max_items
TOPICS = tuple(field_rules.rules(ListDeadLettersRequest, "topic").text.one_of)
TEXTS = {
    "reason": "characters, no control characters",
    "text": "characters, no control characters",
    "key": "letters, digits, dots, underscores and hyphens",
}
ID_RULE = "must be the id of a dead letter, such as order-events.3.1042 or outbox.17"
PARTITION = re.compile(f"({'|'.join(TOPICS)})/[0-9]{{1,9}}")
ID = field_rules.pattern(GetDeadLetterRequest, "dead_letter_id")


def page_size(request: ListDeadLettersRequest) -> int:
    """Check the filters of a list and return its page size. Raises InvalidRequest."""
    refuse(violations_of(request))
    return PAGE_SIZE.value(request.page_size)


def dead_letter_id(text: str) -> str:
    """Return what may be the id of a dead letter. Raises InvalidRequest."""
    if not ID.fullmatch(text):
        raise InvalidRequest([Violation("dead_letter_id", ID_RULE)])
    return text


def change(request: ChangeDeadLettersRequest) -> None:
    """Check what is to be changed. Raises InvalidRequest."""
    violations = inner(violations_of(request.filter))
    if request.dead_letter_ids and request.HasField("filter"):
        violations.append(Violation("dead_letter_ids", "must be empty with a filter"))
    if len(request.dead_letter_ids) > MAX_IDS:
        violations.append(Violation("dead_letter_ids", f"must have at most {MAX_IDS} elements"))
    elif len(set(request.dead_letter_ids)) < len(request.dead_letter_ids):
        violations.append(Violation("dead_letter_ids", "must have each id once"))
    for number, one in enumerate(request.dead_letter_ids[:MAX_IDS]):
        if not ID.fullmatch(one):
            violations.append(Violation(f"dead_letter_ids[{number}]", ID_RULE))
    refuse(violations)


def inner(violations: Sequence[Violation]) -> list[Violation]:
    """Return violations of a list's fields as those of the filter."""
    return [Violation(f"filter.{one.field}", one.description) for one in violations]


def violations_of(request: ListDeadLettersRequest) -> list[Violation]:
    """Return the violations of the fields of a list."""
    violations: list[Violation] = []
    PAGE_SIZE.checked(request.page_size, violations)
    enums = {"source": DeadLetter.Source, "event_type": EventType, "state": DeadLetter.State}
    for name, kind in enums.items():
        if (given := getattr(request, name)) not in kind.values():
            names = ", ".join(kind.keys()[1:])
            violations.append(Violation(name, f"must be one of {names}, is {given}"))
    if request.topic and request.topic not in TOPICS:
        violations.append(Violation("topic", f"must be one of {', '.join(TOPICS)}, or absent"))
    for name, characters in TEXTS.items():
        text = getattr(request, name)
        if text and not field_rules.pattern(ListDeadLettersRequest, name).fullmatch(text):
            rule = field_rules.must_have(ListDeadLettersRequest, name, characters)
            violations.append(Violation(name, rule))
    for name in ("start_time", "end_time"):
        if request.HasField(name) and not timestamps.is_timestamp(getattr(request, name)):
            violations.append(Violation(name, timestamps.RULE))
    return violations


def partitions(request: ResumePartitionsRequest) -> None:
    """Check the names of partitions. Raises InvalidRequest."""
    violations: list[Violation] = []
    if len(request.partitions) > MAX_PARTITIONS:
        violations.append(Violation("partitions", f"must have at most {MAX_PARTITIONS} elements"))
    for number, one in enumerate(request.partitions[:MAX_PARTITIONS]):
        if not PARTITION.fullmatch(one):
            violations.append(Violation(f"partitions[{number}]", "must be topic/partition, such as order-events/3"))
    refuse(violations)


def refuse(violations: Sequence[Violation]) -> None:
    """Raise InvalidRequest when there are violations."""
    if violations:
        raise InvalidRequest(violations)
