"""What Kafka knows of events that the orders database lost: their orders, shown and exported as lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import Message
from google.protobuf.message import DecodeError
from ordermesh.events.v1.events_pb2 import OrderEvent, StockEvent

from cli.output.terminal import console, plain_table
from cli.repair.progress import ProgressLine
from cli.target import use_local_kafka
from cli.topics.event_lines import EventLines
from cli.topics.topic_reader import Start, TopicReader
from runtime.kafka.settings import GroupSettings
from runtime.kafka.topics import EVENT_TOPICS, ORDER_EVENTS

SHOWN_ORDERS = 20


@dataclass
class LostOrder:
    """An order, or a product, with those of its lost events that Kafka has."""

    key: str
    events: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        last: dict[str, Any] = max(self.events, key=lambda event: event["event"].get("sequence", 0))["event"]
        known: dict[str, Any] = {name: last[name] for name in ("customer_id", "status", "total_minor") if name in last}
        return {"key": self.key, **known, "events": self.events}


def lost_orders(event_ids: Collection[str], since_ms: int) -> list[LostOrder]:
    """Read the events from a time on, and return the orders of those with these ids. Raises KafkaException."""
    use_local_kafka()
    found: dict[str, LostOrder] = {}
    lines, progress = EventLines(), ProgressLine()
    reader = TopicReader(GroupSettings.load(), list(EVENT_TOPICS), Start(time_ms=since_ms))
    with closing(reader):
        for number, message in enumerate(reader.existing()):
            progress.show(f"{number:,} events of Kafka read")
            if event_id(message) in event_ids:
                event = json.loads(lines.line(message))
                found.setdefault(event["key"], LostOrder(event["key"])).events.append(event)
    progress.clear()
    return sorted(found.values(), key=lambda order: order.key)


def event_id(message: Message) -> str:
    """Return the id of an event, empty for a record that is none."""
    kind = OrderEvent if message.topic() == ORDER_EVENTS else StockEvent
    try:
        return kind.FromString(message.value() or b"").event_id
    except DecodeError:
        return ""


def show_orders(orders: list[LostOrder], events: int) -> None:
    """Print what Kafka knows."""
    known = sum(len(order.events) for order in orders)
    console.print(f"Kafka has {known:,} of these {events:,} events, of {len(orders):,} orders and products:")
    table = plain_table("key", "customer", "status", ">total in minor units", ">events")
    for order in orders[:SHOWN_ORDERS]:
        shown = order.as_json()
        cells = (str(shown.get(name, "")) for name in ("customer_id", "status", "total_minor"))
        table.add_row(order.key, *cells, str(len(order.events)))
    console.print(table)
    if len(orders) > SHOWN_ORDERS:
        console.print(f"and {len(orders) - SHOWN_ORDERS:,} more")


def export(orders: list[LostOrder], path: Path) -> None:
    """Write the orders to a new file, a JSON document in a line. Raises FileExistsError."""
    with path.open("x") as output:
        output.writelines(lines_of(orders))
    console.print(f"{len(orders):,} orders and products exported to {path}")


def lines_of(orders: list[LostOrder]) -> Iterator[str]:
    """Yield each order as a line of JSON."""
    for order in orders:
        yield json.dumps(order.as_json()) + "\n"
