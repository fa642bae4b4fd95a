"""The reconciliation against servers that tell a world in which something is wrong."""

from dataclasses import replace
from datetime import UTC, datetime

import grpc
import pytest
from confluent_kafka import KafkaError, KafkaException
from google.protobuf import json_format
from ordermesh.events.v1.events_pb2 import ORDER_CANCELLED
from ordermesh.gateway.v1.pipeline_pb2 import ReconcileResponse
from ordermesh.internal.v1 import ledger_pb2 as pb
from ordermesh.orders.v1.errors_pb2 import ErrorReason
from ordermesh.orders.v1.orders_pb2 import Order
from pipeline_world import MINUTE, FakeLog, World, event, product_sums

from gateway.backends.errors import ComponentFault
from gateway.reconciliation.reconciliation import Reconciliation
from runtime.errors import NoAnswer, ServiceError, Unavailable

Finding = ReconcileResponse.Finding
AGREES, IN_FLIGHT, DIFFERS = ReconcileResponse.AGREES, ReconcileResponse.IN_FLIGHT, ReconcileResponse.DIFFERS


@pytest.fixture
def world(servers) -> World:
    servers.world.flow(*(event(minute) for minute in range(3) for _ in range(5)), event(1, kind=ORDER_CANCELLED))
    return servers.world


@pytest.fixture
def reconcile(world, orders, analytics):
    return lambda: Reconciliation(orders, analytics, FakeLog(world), 1.0).run()


async def test_equal_sides_agree(world, reconcile) -> None:
    response = await reconcile()
    assert response.verdict == AGREES
    assert response.summary == "16 published events each counted once (15 orders, revenue 1,050.00)"
    assert response.published == response.counted
    assert (response.published.events, response.published.orders, response.published.units) == (16, 15, 45)
    assert response.published.revenue == 1050.0
    assert response.HasField("start_time")


async def test_an_empty_pipeline_agrees(servers, orders, analytics) -> None:
    response = await Reconciliation(orders, analytics, FakeLog(servers.world), 1.0).run()
    assert response.verdict == AGREES


async def test_lost_events_are_named_with_their_minute(world, reconcile) -> None:
    lost = [event(1), event(1)]
    world.published += lost
    response = await reconcile()
    assert response.verdict == DIFFERS
    (finding,) = response.findings
    assert (finding.kind, finding.event_count, finding.minute_start_time.seconds) == (Finding.LOST, 2, MINUTE + 60)
    assert list(finding.event_ids) == [one.name for one in lost]
    assert "2 events lost" in response.summary


async def test_a_phantom_is_named(world, reconcile) -> None:
    phantom = event(7)
    world.counted.append(phantom)
    response = await reconcile()
    (finding,) = response.findings
    assert (finding.kind, list(finding.event_ids)) == (Finding.PHANTOM, [phantom.name])


@pytest.mark.parametrize("minute", [253_402_300_740, 253_402_300_800])
async def test_an_event_with_the_last_possible_time_is_named_like_any_other(world, reconcile, minute: int) -> None:
    phantom = replace(event(), minute=minute)
    world.counted.append(phantom)
    response = await reconcile()
    (finding,) = response.findings
    assert (finding.kind, list(finding.event_ids)) == (Finding.PHANTOM, [phantom.name])
    assert "253402300800" in finding.message or "9999-12-31T23:59Z" in finding.message
    assert "findings" in json_format.MessageToDict(response)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, ComponentFault),
        (grpc.StatusCode.INTERNAL, ComponentFault),
        (grpc.StatusCode.UNIMPLEMENTED, ComponentFault),
        (grpc.StatusCode.DEADLINE_EXCEEDED, NoAnswer),
        (grpc.StatusCode.UNAVAILABLE, Unavailable),
    ],
)
async def test_a_refusal_of_a_component_is_not_reported_as_unavailable(world, reconcile, code, kind) -> None:
    world.refusals["AuditMetrics"] = code
    with pytest.raises(kind) as caught:
        await reconcile()
    assert "analytics" in str(caught.value)
    if isinstance(caught.value, ServiceError):
        reasons = {NoAnswer: ErrorReason.NO_ANSWER_IN_TIME, Unavailable: ErrorReason.COMPONENT_UNAVAILABLE}
        assert (caught.value.reason, caught.value.metadata) == (reasons[kind], {"component": "analytics"})


async def test_dead_letters_are_not_lost(world, reconcile) -> None:
    rejected = event(2)
    world.published.append(rejected)
    world.rejected.append(rejected)
    response = await reconcile()
    assert (response.verdict, response.dead_letters, len(response.findings)) == (AGREES, 1, 0)
    assert "1 dead letter" in response.summary


async def test_pending_events_are_in_flight(world, reconcile) -> None:
    world.waiting += [event(), event()]
    response = await reconcile()
    assert (response.verdict, response.in_flight) == (IN_FLIGHT, 2)


async def test_events_that_are_not_counted_yet_are_in_flight_and_not_lost(world, reconcile) -> None:
    world.published += [event(), event()]
    world.lag = 2
    response = await reconcile()
    assert (response.verdict, response.in_flight, len(response.findings)) == (IN_FLIGHT, 2, 0)


async def test_more_missing_than_in_flight_is_lost(world, reconcile) -> None:
    world.published += [event(), event(), event()]
    world.lag = 2
    response = await reconcile()
    assert (response.verdict, response.findings[0].kind) == (DIFFERS, Finding.LOST)


async def test_events_refused_for_good_are_named(world, reconcile) -> None:
    world.dead.append(event())
    response = await reconcile()
    (finding,) = response.findings
    assert (finding.kind, list(finding.event_ids)) == (Finding.DEAD, [world.dead[0].name])


async def test_a_double_count_is_named_by_its_metric(world, reconcile) -> None:
    world.differences.append(
        pb.AuditMetricsResponse.Difference(metric_name="revenue_total", expected=105_000, actual=112_000)
    )
    response = await reconcile()
    (finding,) = response.findings
    assert (finding.kind, finding.metric_name) == (Finding.METRIC, "revenue_total")
    assert (finding.expected, finding.actual) == (1050.0, 1120.0)
    assert "1 metric wrong" in response.summary


async def test_a_product_that_the_orders_add_up_differently_is_named(world, reconcile) -> None:
    world.product_metrics = [pb.ProductSum(product_id="p1", units=50, revenue_minor=105_000)]
    response = await reconcile()
    (finding,) = response.findings
    assert (finding.kind, finding.metric_name, finding.dimension) == (Finding.METRIC, "top_products_units", "p1")
    assert (finding.expected, finding.actual) == (45, 50)


async def test_a_minute_with_the_same_ids_but_other_sums_is_named(world, reconcile) -> None:
    def changed(sums: list[pb.EventSum]) -> list[pb.EventSum]:
        sums[0].revenue_minor += 1
        return sums

    world.counted_sums = changed
    response = await reconcile()
    (finding,) = response.findings
    assert (finding.kind, finding.minute_start_time.seconds) == (Finding.MINUTE, MINUTE)


async def test_events_that_arrive_between_the_reads_are_no_difference(world, reconcile) -> None:
    def more() -> None:
        world.flow(event(2), event(9))

    for method in (
        "wait_until_counted",
        "StreamAnalyticsLedger",
        "StreamPublishedIds",
        "StreamCountedIds",
        "FindEvents",
    ):
        world.before[method] = more
    response = await reconcile()
    assert (response.verdict, list(response.findings)) == (AGREES, [])


async def test_events_published_while_ids_are_read_are_waited_for(world, reconcile) -> None:
    late = event(2)
    world.counted.append(event(2))
    world.published.append(world.counted[-1])
    # Published after the ledger was read, counted only once the processor has been waited for again.
    world.before["StreamAnalyticsLedger"] = lambda: world.counted.append(late)
    world.before["StreamPublishedIds"] = lambda: world.published.append(event(2))
    world.before["StreamCountedIds"] = lambda: world.counted.append(world.published[-1])
    world.published.append(late)
    response = await reconcile()
    assert (response.verdict, list(response.findings)) == (AGREES, [])


async def test_products_are_compared_when_orders_arrived_meanwhile(world, reconcile) -> None:
    def more() -> None:
        # Published before the metrics are read, as everything that they count.
        world.flow(event(2))

    world.before["StreamProductSums"] = more
    response = await reconcile()
    assert (response.verdict, list(response.findings)) == (AGREES, [])
    world.product_metrics = product_sums(world.counted)
    world.product_metrics[0].units -= 1
    found = {(one.metric_name, one.actual) for one in (await reconcile()).findings}
    assert ("top_products_units", world.product_metrics[0].units) in found


async def test_a_dead_letter_does_not_hide_units_that_moved_to_another_product(world, reconcile) -> None:
    rejected = event(2)
    world.published += [rejected, event(3, product_id="p2")]
    world.counted.append(world.published[-1])
    world.rejected.append(rejected)
    assert (await reconcile()).verdict == AGREES
    world.product_metrics = [
        pb.ProductSum(product_id="p1", units=46, revenue_minor=105_000),
        pb.ProductSum(product_id="p2", units=2, revenue_minor=7_000),
    ]
    found = {(one.metric_name, one.dimension, one.expected, one.actual) for one in (await reconcile()).findings}
    assert found == {("top_products_units", "p1", 45, 46), ("top_products_units", "p2", 3, 2)}


async def test_garbage_among_the_dead_letters_explains_nothing(world, reconcile) -> None:
    world.rejected.append(event(2, kind=ORDER_CANCELLED))
    assert (await reconcile()).verdict == AGREES
    world.product_metrics = [pb.ProductSum(product_id="p1", units=1, revenue_minor=105_000)]
    (finding,) = (await reconcile()).findings
    assert (finding.kind, finding.actual) == (Finding.METRIC, 1)


async def test_an_order_whose_status_no_event_tells_is_named(world, reconcile) -> None:
    order = world.published[7]
    world.stored_status[order.event_id] = Order.PAID
    response = await reconcile()
    (finding,) = response.findings
    assert (response.verdict, finding.kind, finding.order_count) == (DIFFERS, Finding.ORDER, 1)
    assert list(finding.order_ids) == [order.name]
    assert finding.minute_start_time.seconds == order.minute


async def test_two_orders_that_changed_places_are_both_named(world, reconcile) -> None:
    """The numbers by status are the same on both sides."""
    first, second = world.published[:2]
    world.stored_status[first.event_id] = world.counted_status[second.event_id] = Order.PAID
    (finding,) = (await reconcile()).findings
    assert set(finding.order_ids) == {first.name, second.name}


async def test_an_order_that_changes_while_it_is_compared_is_no_difference(world, reconcile) -> None:
    order = world.published[7]
    world.counted_status[order.event_id] = Order.PAID
    world.before["StreamOrderStates"] = lambda: world.stored_status.__setitem__(order.event_id, Order.PAID)
    assert (await reconcile()).verdict == AGREES


async def test_sums_that_no_order_explains_are_named_by_their_minute(world, reconcile) -> None:
    def changed(sums: list[pb.OrderSum]) -> list[pb.OrderSum]:
        sums[0].statuses[0].total_minor += 1
        return sums

    world.stored_sums = changed
    (finding,) = (await reconcile()).findings
    assert (finding.kind, list(finding.order_ids), finding.minute_start_time.seconds) == (Finding.ORDER, [], MINUTE)


async def test_a_discarded_event_is_told_and_its_order_not_compared(world, reconcile) -> None:
    world.discarded.append(event(1))
    response = await reconcile()
    assert (response.verdict, list(response.findings), response.discarded) == (AGREES, [], 1)
    assert "1 event discarded" in response.summary


async def test_an_event_of_long_ago_without_an_order_is_named_though_the_outbox_dropped_its_days(
    world, reconcile
) -> None:
    world.ids_since = MINUTE - 86_400
    phantom = replace(event(), minute=MINUTE - 86_400 * 2_000, kind=ORDER_CANCELLED)
    world.counted.append(phantom)
    response = await reconcile()
    (finding,) = response.findings
    assert (finding.kind, list(finding.event_ids)) == (Finding.PHANTOM, [phantom.name])
    assert response.ids_start_time.seconds == world.ids_since


@pytest.mark.parametrize("side", ["published", "counted"])
async def test_days_whose_ids_are_dropped_are_compared_by_their_sums(world, reconcile, side: str) -> None:
    world.ids_since = world.counted_ids_since = MINUTE + 86_400
    response = await reconcile()
    assert (response.verdict, response.published.events, response.compared_orders) == (AGREES, 16, 15)
    getattr(world, side).pop()
    assert Finding.MINUTE in {one.kind for one in (await reconcile()).findings}


async def test_a_dead_letter_explains_a_day_whose_ids_are_dropped(world, reconcile) -> None:
    rejected = replace(event(), event_id=(MINUTE * 1000).to_bytes(6, "big") + bytes(10), minute=MINUTE)
    world.published.append(rejected)
    world.rejected.append(rejected)
    world.ids_since = world.counted_ids_since = MINUTE + 86_400
    world.product_metrics = product_sums(world.published)
    response = await reconcile()
    assert (response.verdict, response.dead_letters) == (AGREES, 1)


@pytest.mark.parametrize("side", ["complete_since", "counted_since"])
async def test_what_was_before_a_ledger_began_is_not_compared(world, reconcile, side: str) -> None:
    """A ledger begins with a day."""
    later = MINUTE - MINUTE % 86_400 + 86_400
    kept = [replace(event(), minute=later) for _ in range(2)]
    world.flow(*kept)
    world.product_metrics = product_sums(world.orders)
    if side == "complete_since":
        world.product_metrics = product_sums(kept)
        world.published = kept
    else:
        world.counted = kept
    setattr(world, side, later)
    response = await reconcile()
    assert (response.verdict, list(response.findings), response.published.events) == (AGREES, [], 2)
    assert response.coverage_start_time.seconds == later


async def test_a_verdict_says_from_when_on_it_compared(world, reconcile) -> None:
    """Nothing may be left to compare, which must not read as if all orders had been."""
    assert not (await reconcile()).HasField("coverage_start_time")
    world.counted_since = MINUTE + 86_400 * 9
    response = await reconcile()
    since = datetime.fromtimestamp(world.counted_since, UTC).strftime("%Y-%m-%dT%H:%MZ")
    assert response.summary.startswith(f"0 published events since {since} ")


async def test_a_broker_that_recovers_in_time_is_waited_for(world, reconcile) -> None:
    def away() -> None:
        world.before.pop("wait_until_counted")
        raise KafkaException(KafkaError(KafkaError._TRANSPORT))

    world.before["wait_until_counted"] = away
    assert (await reconcile()).verdict == AGREES


@pytest.mark.parametrize("part", ["orders", "analytics"])
async def test_an_unavailable_component_is_named(servers, world, reconcile, part) -> None:
    await getattr(servers, part).stop(None)
    with pytest.raises(Unavailable, match=f"{part} is unavailable"):
        await reconcile()
