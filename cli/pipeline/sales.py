"""`ordermesh sales`: the totals of all orders, and how fresh they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer
from google.protobuf.json_format import MessageToJson
from ordermesh.analytics.v1 import analytics_pb2_grpc
from ordermesh.analytics.v1.analytics_pb2 import Freshness, GetSalesSummaryRequest, SalesSummary
from ordermesh.orders.v1.orders_pb2 import Order
from rich.table import Table

from cli.output.terminal import console, plain_table
from cli.target import Target, front_proxy

CALL_SECONDS = 30.0
MAX_WAIT_MS = 10_000


def sales(
    revisions: Annotated[
        list[str] | None,
        typer.Option("--min-revision", help="Wait until this revision of an order is counted; repeatable."),
    ] = None,
    wait_ms: Annotated[int, typer.Option(min=1, max=MAX_WAIT_MS, help="The longest wait.")] = 2000,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
    target: Target = None,
) -> None:
    """Show the totals of all orders, and up to when they include what is in Kafka."""
    request = GetSalesSummaryRequest(min_revisions=revisions or (), wait_ms=wait_ms)
    with front_proxy(target).channel() as channel:
        stub = analytics_pb2_grpc.AnalyticsServiceStub(channel)
        found = stub.GetSalesSummary(request, timeout=CALL_SECONDS)
    if as_json:
        typer.echo(MessageToJson(found, preserving_proto_field_name=True, indent=None))
        return
    console.print(totals_table(found))
    console.print(freshness_line(found.freshness))


def totals_table(found: SalesSummary) -> Table:
    """Return the totals as a table."""
    table = plain_table("sales", ">value")
    for name, text in totals(found):
        table.add_row(name, text)
    return table


def totals(found: SalesSummary) -> Iterator[tuple[str, str]]:
    """Yield the totals with their names."""
    yield "orders", f"{found.orders_total:,}"
    for count in found.orders_by_status:
        yield f"  {Order.Status.Name(count.status).lower()}", f"{count.orders:,}"
    yield "revenue", f"{found.revenue_total:,.2f}"
    yield "cancelled", f"{found.cancelled_revenue:,.2f}"
    yield "net", f"{found.net_revenue:,.2f}"


def freshness_line(freshness: Freshness) -> str:
    """Return how fresh the totals are."""
    if not freshness.HasField("as_of_time"):
        return "as of: not known, Kafka was not asked yet"
    as_of = freshness.as_of_time.ToDatetime().isoformat(sep=" ", timespec="milliseconds")
    return (
        f"as of {as_of} UTC, {freshness.lag_ms:,.0f} ms ago; {freshness.lag_events:,} events in Kafka are not included"
    )
