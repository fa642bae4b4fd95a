"""Events as they were first written stay readable: the golden files never change."""

import json
from pathlib import Path

import pytest
from google.protobuf import json_format
from ordermesh.events.v1 import events_pb2

from processor.events.decode import decode
from processor.events.event import ANY_TIME, Event, Reason, Rejection
from runtime.kafka.topics import ORDER_EVENTS, STOCK

GOLDEN = Path(__file__).parent / "golden"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.binpb"))
KNOWN = [name for name in NAMES if not name.startswith("future")]
FUTURE = [name for name in NAMES if name.startswith("future")]


def golden(name: str):
    """Return the bytes, the message's class and its meaning."""
    said = json.loads((GOLDEN / f"{name}.json").read_text())
    return (GOLDEN / f"{name}.binpb").read_bytes(), getattr(events_pb2, said["message"]), said["value"]


def decoded(name: str) -> Event | Rejection:
    value, kind, meaning = golden(name)
    if kind is events_pb2.OrderEvent:
        return decode(ORDER_EVENTS, meaning["order_id"].encode(), value, ANY_TIME)
    return decode(STOCK, meaning["product_id"].encode(), value, ANY_TIME)


@pytest.mark.parametrize("name", NAMES)
def test_a_golden_event_still_has_its_values(name: str) -> None:
    value, kind, meaning = golden(name)
    assert json_format.MessageToDict(kind.FromString(value), preserving_proto_field_name=True) == meaning


@pytest.mark.parametrize("name", KNOWN)
def test_a_golden_event_can_still_be_counted(name: str) -> None:
    event = decoded(name)
    assert isinstance(event, Event), event
    assert events_pb2.EventType.Name(event.type) == name.upper()


@pytest.mark.parametrize("name", FUTURE)
def test_an_event_of_a_newer_writer_is_set_aside_with_its_id(name: str) -> None:
    found = decoded(name)
    assert isinstance(found, Rejection), found
    assert (found.reason, found.event_id) == (Reason.UNKNOWN_TYPE, golden(name)[2]["event_id"])


@pytest.mark.parametrize("name", FUTURE)
def test_what_is_not_known_of_an_event_is_kept(name: str) -> None:
    value, kind, _ = golden(name)
    assert kind.FromString(value).SerializeToString(deterministic=True) == value


def test_every_type_of_event_has_a_golden_file() -> None:
    assert {name.upper() for name in KNOWN} == set(events_pb2.EventType.keys()) - {"EVENT_TYPE_UNSPECIFIED"}
