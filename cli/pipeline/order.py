"""`ordermesh order`: the life of one order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer
from google.protobuf.json_format import MessageToJson
from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.events.v1.events_pb2 import EventType
from ordermesh.gateway.v1 import timeline_pb2_grpc
from ordermesh.gateway.v1.timeline_pb2 import GetOrderTimelineRequest, OrderTimeline
from ordermesh.orders.v1.orders_pb2 import Order
from rich.table import Table

from cli.output.terminal import console, plain_table
from cli.target import Target, front_proxy

CALL_SECONDS = 20.0
Event = OrderTimeline.Event


def order(
    order_id: Annotated[str, typer.Argument(metavar="ID", help="The id of the order.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    target: Target = None,
) -> None:
    """Show the life of one order: committed, published, counted; and what is not known any more."""
    with front_proxy(target).channel() as channel:
        stub = timeline_pb2_grpc.OrderTimelineServiceStub(channel)
        found = stub.GetOrderTimeline(GetOrderTimelineRequest(order_id=order_id), timeout=CALL_SECONDS)
    if as_json:
        typer.echo(MessageToJson(found, preserving_proto_field_name=True, indent=None))
        return
    for line in head_lines(found):
        console.print(line)
    console.print(events_table(found))
    for line in missing_lines(found):
        console.print(line, soft_wrap=True)


def head_lines(found: OrderTimeline) -> Iterator[str]:
    """Yield what is known of the order itself."""
    status = Order.Status.Name(found.status)
    yield f"{found.order_id}  {status}  customer {found.customer_id}  total {found.total_price:,.2f}"
    yield f"received   trace {found.trace_id}"
    if found.trace_url:
        yield f"           {found.trace_url}"
    yield f"committed  {time_text(found.commit_time)}"
    if found.update_time != found.commit_time:
        yield f"changed    {time_text(found.update_time)}"


def events_table(found: OrderTimeline) -> Table:
    """Return the events as a table."""
    table = plain_table(">#", "event", "time", "state", ">in the outbox", "in Kafka", "counted", ">after", "worker")
    for event in found.events:
        table.add_row(
            str(event.sequence or ""),
            EventType.Name(event.event_type) if event.event_type else "unknown",
            time_text(event.occur_time),
            Event.State.Name(event.state),
            milliseconds(event.outbox_ms) if event.HasField("outbox_ms") else "",
            place(event),
            time_text(event.count_time) if event.HasField("count_time") else "",
            milliseconds(event.count_ms) if event.HasField("count_ms") else "",
            event.worker,
        )
    return table


def missing_lines(found: OrderTimeline) -> Iterator[str]:
    """Yield causes, dead letters, and what is not known."""
    for number, event in enumerate(found.events, start=1):
        name = f"event {event.sequence or number}"
        if event.cause:
            yield f"{name}: {event.cause}"
        if event.dead_letter_id:
            yield f"{name}: see ordermesh dlq show {event.dead_letter_id}"
        for missing in event.missing:
            yield f"{name}: {missing}"
    yield from found.missing


def place(event: Event) -> str:
    """Return where an event is in Kafka."""
    if not event.HasField("offset"):
        return event.topic
    return f"{event.topic}/{event.partition}/{event.offset}"


def time_text(time: Timestamp) -> str:
    """Return a time in UTC with milliseconds."""
    return time.ToDatetime().isoformat(sep=" ", timespec="milliseconds")


def milliseconds(number: float) -> str:
    """Return a duration."""
    return f"{number:,.1f} ms" if number < 10_000 else f"{number / 1000:,.1f} s"
