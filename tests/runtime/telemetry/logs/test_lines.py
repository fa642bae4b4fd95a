"""What is in a log line: the schema, errors without values of rows, hashed customers, traces, and limits."""

from __future__ import annotations

import json
import logging
from typing import Any
from unittest.mock import ANY

import psycopg
import pytest
from confluent_kafka import KafkaError, KafkaException

from runtime.telemetry.log_fields import ALL_FIELDS, COMMON_FIELDS, SERVICE_FIELDS
from runtime.telemetry.logs import lines
from runtime.telemetry.logs.current_trace import CURRENT
from runtime.telemetry.logs.lines import Event, LineFormatter, Lines, Schema
from runtime.telemetry.trace_context import TraceContext

KEY = "a key of sixteen or more"


def line_of(key: str | None = None, level: int = logging.INFO, **fields: Any) -> dict[str, Any]:
    """Return the line of an event with these fields."""
    event = Event(event="it happened", **fields)
    record = logging.LogRecord("orders.outbox.publisher", level, __file__, 1, event, (), None)
    found: dict[str, Any] = json.loads(LineFormatter(Lines(key), Schema("orders").render).format(record))
    assert set(found) <= set(ALL_FIELDS)
    return found


def test_a_line_has_the_fields_of_every_line_and_its_own_by_their_names_in_the_schema() -> None:
    line = line_of(order_id="o1", duration_seconds=1.5)
    assert {*COMMON_FIELDS, *SERVICE_FIELDS} <= set(line)
    assert (line["service.name"], line["log.level"], line["message"]) == ("orders", "info", "it happened")
    assert (line["log.logger"], line["ordermesh.order_id"]) == ("orders.outbox.publisher", "o1")
    assert line["event.duration"] == 1_500_000_000
    assert line["@timestamp"].endswith("Z")
    assert len(line["@timestamp"]) == len("2026-11-26T10:29:31.614123Z")


def test_a_field_without_a_value_is_not_on_the_line() -> None:
    """Such as the order of an event of stock; the type of a field is always that of the schema."""
    assert line_of(KEY, order_id=None, customer_id=None, error=None, event_type="RESTOCKED") == line_of(
        KEY, event_type="RESTOCKED"
    ) | {"@timestamp": ANY}


def test_without_a_key_a_customer_is_named_and_with_one_only_found_again() -> None:
    assert line_of(customer_id="cust-1")["user.id"] == "cust-1"
    first, again, other = (line_of(KEY, customer_id=name) for name in ("cust-1", "cust-1", "cust-2"))
    assert first["user.hash"] == again["user.hash"] != other["user.hash"]
    assert len(first["user.hash"]) == 32
    assert "cust-1" not in json.dumps(first)
    assert line_of(KEY + "!", customer_id="cust-1")["user.hash"] != first["user.hash"]


def test_the_hash_is_hmac_sha_256_cut_to_128_bits() -> None:
    # From `printf cust-1 | openssl dgst -sha256 -hmac key-of-16-bytes!`.
    assert lines.customer_hash(b"key-of-16-bytes!", "cust-1") == "2624be268a645676cb8708a57725699d"


@pytest.fixture
def refused_row() -> psycopg.Error:
    class Diagnostic:
        message_primary = "duplicate key value violates unique constraint"

    class Refused(psycopg.errors.UniqueViolation):
        diag = Diagnostic()  # type: ignore[assignment]  # the library's cannot be made without a server

    return Refused("duplicate key\nDETAIL:  Key (customer_id)=(cust-secret) already exists.")


def test_an_error_of_the_database_is_told_without_values_of_the_row(refused_row: psycopg.Error) -> None:
    for line in (line_of(error=refused_row), line_of(exc_info=refused_row)):
        assert line["error.message"] == "duplicate key value violates unique constraint"
        assert line["error.code"] == "23505"
        assert "cust-secret" not in json.dumps(line)


def test_an_error_of_kafka_has_its_name() -> None:
    error = KafkaError(KafkaError._ALL_BROKERS_DOWN, "2/2 brokers are down")
    for given in (error, KafkaException(error)):
        line = line_of(error=given)
        assert (line["error.message"], line["error.code"]) == ("2/2 brokers are down", "_ALL_BROKERS_DOWN")


def test_a_stack_tells_where_and_after_what_but_repeats_no_message() -> None:
    try:
        try:
            raise KeyError("inner-secret")
        except KeyError as error:
            raise ValueError("outer") from error
    except ValueError as error:
        line = line_of(exc_info=error)
    assert (line["error.type"], line["error.message"]) == ("ValueError", "outer")
    assert line["error.stack_trace"].index("ValueError") < line["error.stack_trace"].index("KeyError")
    assert __name__.rpartition(".")[2] in line["error.stack_trace"]
    assert "inner-secret" not in json.dumps(line).replace('raise KeyError(\\"inner-secret\\")', "")


def test_a_text_of_an_error_stays_and_loses_only_its_margins() -> None:
    assert line_of(error=" no such jar\n")["error.message"] == "no such jar"


def test_a_line_of_a_sampled_call_has_its_trace_and_others_have_none() -> None:
    assert "trace.id" not in line_of()
    token = CURRENT.set(TraceContext("a" * 32, "b" * 16, True))
    try:
        found, own = line_of(), line_of(trace_id="c" * 32)
    finally:
        CURRENT.reset(token)
    assert (found["trace.id"], found["span.id"]) == ("a" * 32, "b" * 16)
    assert own["trace.id"] == "c" * 32
    assert "span.id" not in own


def test_texts_and_lists_have_limits() -> None:
    line = line_of(error="x" * 100_000, product_ids=["p" * 10_000] * 1_000)
    assert len(line["error.message"]) == lines.MAX_TEXT_CHARACTERS + 1
    assert len(line["ordermesh.product_ids"]) == lines.MAX_ITEMS
    assert len(line["ordermesh.product_ids"][0]) == lines.MAX_TEXT_CHARACTERS + 1


def deep(levels: int) -> None:
    if levels:
        deep(levels - 1)
    raise RuntimeError("deep")


def test_a_deep_stack_has_a_limit() -> None:
    with pytest.raises(RuntimeError) as raised:
        deep(500)
    assert len(line_of(exc_info=raised.value)["error.stack_trace"]) <= lines.MAX_STACK_CHARACTERS
