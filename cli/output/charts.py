"""Shows the pipeline and the analytics on a terminal."""

from __future__ import annotations

import grpc
from ordermesh.analytics.v1 import analytics_pb2, analytics_pb2_grpc
from ordermesh.gateway.v1.pipeline_pb2 import PipelineStatus
from ordermesh.orders.v1 import inventory_pb2, inventory_pb2_grpc
from ordermesh.orders.v1.orders_pb2 import Order
from rich.table import Table
from rich.text import Text

from cli.output.terminal import console, plain_table
from cli.target import FrontProxy

BAR_CELLS = 40
CALL_SECONDS = 5.0
BLOCKS = " ▏▎▍▌▋▊▉█"


def bar(value: float, largest: float) -> str:
    """Return a bar with a resolution of an eighth of a cell."""
    eighths = round(value / largest * BAR_CELLS * 8) if largest else 0
    return "█" * (eighths // 8) + BLOCKS[eighths % 8].strip()


def pipeline_table(status: PipelineStatus, title: str) -> Table:
    """Return a table of the stages: totals, rates, backlogs and latencies."""
    intake, outbox, log, processing = status.intake, status.outbox, status.kafka, status.processing
    table = plain_table(f"{title} → Envoy →", ">total", ">per second", ">backlog", ">p50 ms", ">p99 ms")
    table.add_row("orders stored", f"{intake.orders_total:,}", f"{intake.orders_per_second:,.0f}", "", "", "")
    table.add_row(
        "events published",
        f"{outbox.published_total:,}",
        f"{outbox.published_per_second:,.0f}",
        f"{outbox.pending:,}",
        f"{outbox.latency.p50_ms:.0f}",
        f"{outbox.latency.p99_ms:.0f}",
    )
    table.add_row("events in Kafka", f"{log.end_offset_total:,}", "", f"{log.consumer_lag:,}", "", "")
    table.add_row(
        "events counted",
        f"{processing.counted_total:,}",
        f"{processing.counted_per_second:,.0f}",
        "",
        f"{processing.latency.p50_ms:.0f}",
        f"{processing.latency.p99_ms:.0f}",
    )
    down = [one.name for one in status.components if one.state == PipelineStatus.Component.DOWN]
    up = f"{processing.workers} workers, all components up"
    table.caption = Text(f"down: {', '.join(down)}", "red") if down else up
    table.caption_justify = "left"
    return table


def pipeline_line(status: PipelineStatus) -> str:
    """Return the pipeline in one line."""
    return (
        f"stored {status.intake.orders_total:,} ({status.intake.orders_per_second:,.0f}/s)  "
        f"published {status.outbox.published_total:,}  pending {status.outbox.pending:,}  "
        f"counted {status.processing.counted_total:,}  lag {status.kafka.consumer_lag:,}  "
        f"order to metrics {status.processing.latency.p50_ms:.0f} ms"
    )


def show_analytics(front: FrontProxy) -> None:
    """Print orders per minute, the totals and the top products."""
    with front.channel() as channel:
        stub = analytics_pb2_grpc.AnalyticsServiceStub(channel)
        minutes = stub.OrdersPerMinute(analytics_pb2.OrdersPerMinuteRequest(), timeout=CALL_SECONDS).minutes
        summary = stub.GetSalesSummary(analytics_pb2.GetSalesSummaryRequest(), timeout=CALL_SECONDS)
        top = stub.TopProducts(analytics_pb2.TopProductsRequest(limit=5), timeout=CALL_SECONDS).products
        names = product_names(channel, [product.product_id for product in top])
    table = plain_table("minute (UTC)", ">orders", ">revenue", "")
    most = max((minute.orders for minute in minutes), default=0)
    for minute in minutes:
        when = minute.start_time.ToDatetime().strftime("%H:%M")
        table.add_row(when, f"{minute.orders:,}", f"{minute.revenue:,.2f}", Text(bar(minute.orders, most), "cyan"))
    console.print(table)
    statuses = ", ".join(f"{Order.Status.Name(one.status)} {one.orders:,}" for one in summary.orders_by_status)
    console.print(
        f"\n{summary.orders_total:,} orders, revenue {summary.revenue_total:,.2f}, "
        f"average {summary.average_order_value:,.2f}; {statuses}\n"
    )
    table = plain_table("top products", "", ">units", ">revenue", "")
    for product in top:
        cells = (product.product_id, names.get(product.product_id, ""), f"{product.units:,}", f"{product.revenue:,.2f}")
        table.add_row(*cells, Text(bar(product.units, top[0].units), "magenta"))
    console.print(table)


def product_names(channel: grpc.Channel, product_ids: list[str]) -> dict[str, str]:
    """Return product names by id."""
    stub = inventory_pb2_grpc.InventoryServiceStub(channel)
    requests = [inventory_pb2.GetProductRequest(product_id=product_id) for product_id in product_ids]
    return {request.product_id: stub.GetProduct(request, timeout=CALL_SECONDS).name for request in requests}
