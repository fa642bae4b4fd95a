"""The comparison alone: whatever is seeded is found and named, and nothing else."""

from hypothesis import given, settings
from hypothesis import strategies as st
from ordermesh.events.v1.events_pb2 import ORDER_CANCELLED, ORDER_CREATED
from ordermesh.gateway.v1.pipeline_pb2 import ReconcileResponse
from ordermesh.internal.v1.ledger_pb2 import AuditMetricsResponse, ProductSum
from pipeline_world import Event, event
from pipeline_world import event_sums as world_sums

from gateway.backends.ledger import NO_EVENTS, NO_IDS, AnalyticsLedger, OrderLedger, event_sums
from gateway.reconciliation import comparison
from gateway.reconciliation.findings import audit_findings, metric_finding, product_findings
from gateway.reconciliation.verdict import conclude

Finding = ReconcileResponse.Finding
FATES = ("counted", "counted", "counted", "lost", "phantom", "rejected", "double")

events = st.builds(
    event,
    minute=st.integers(0, 3),
    kind=st.sampled_from([ORDER_CREATED, ORDER_CANCELLED]),
    total_minor=st.integers(0, 10**6),
    units=st.integers(1, 9),
)
fates = st.lists(st.tuples(events, st.sampled_from(FATES)), max_size=40)


def ids(chosen: list[Event], minute: int) -> set[bytes]:
    return {one.event_id for one in chosen if one.minute == minute}


def compared(published: list[Event], counted: list[Event], rejected: list[Event], lag: int = 0) -> comparison.Evidence:
    """Compare as the reconciliation does, on lists instead of servers."""
    sums = event_sums(world_sums(published)), event_sums(world_sums(counted))
    evidence = comparison.Evidence(
        OrderLedger(0, NO_IDS, 0, sums[0], {}), AnalyticsLedger(len(rejected), frozenset(), sums[1], {}), lag=lag
    )
    dead_letters = {one.event_id for one in rejected}
    for minute in comparison.differing(*sums, NO_EVENTS):
        extra = evidence.note_ids(minute, ids(published, minute), ids(counted, minute), dead_letters)
        evidence.note_phantoms(minute, extra)
    return evidence


def named(response: ReconcileResponse, kind: int) -> set[str]:
    return {event_id for one in response.findings if one.kind == kind for event_id in one.event_ids}


def names(seeded: list[tuple[Event, str]], fate: str) -> set[str]:
    return {one.name for one, its in seeded if its == fate}


def double_counted(doubles: list[Event]) -> list[AuditMetricsResponse.Difference]:
    return [
        AuditMetricsResponse.Difference(metric_name="orders_by_status", dimension=one.name, expected=1, actual=2)
        for one in doubles
    ]


@given(fates)
@settings(max_examples=200, deadline=None)
def test_every_seeded_fault_is_named_and_nothing_else(seeded: list[tuple[Event, str]]) -> None:
    published = [one for one, fate in seeded if fate != "phantom"]
    counted = [one for one, fate in seeded if fate in ("counted", "phantom", "double")]
    rejected = [one for one, fate in seeded if fate == "rejected"]
    evidence = compared(published, counted, rejected)
    evidence.metrics = audit_findings(double_counted([one for one, fate in seeded if fate == "double"]))
    response = conclude(evidence)
    assert named(response, Finding.LOST) == names(seeded, "lost")
    assert named(response, Finding.PHANTOM) == names(seeded, "phantom")
    assert {one.dimension for one in response.findings if one.kind == Finding.METRIC} == names(seeded, "double")
    assert response.dead_letters == len(rejected)
    faulty = {fate for _, fate in seeded} & {"lost", "phantom", "double"}
    assert response.verdict == (ReconcileResponse.DIFFERS if faulty else ReconcileResponse.AGREES)


@given(st.lists(events, max_size=20), st.lists(events, min_size=1, max_size=10), st.integers(0, 20))
@settings(deadline=None)
def test_missing_events_are_lost_only_when_fewer_are_in_flight(
    arrived: list[Event], missing: list[Event], lag: int
) -> None:
    response = conclude(compared([*arrived, *missing], arrived, [], lag=lag))
    lost = lag < len(missing)
    assert response.verdict == (ReconcileResponse.DIFFERS if lost else ReconcileResponse.IN_FLIGHT)
    assert response.in_flight == (0 if lost else len(missing))
    assert named(response, Finding.LOST) == ({one.name for one in missing} if lost else set())


@given(st.lists(events, min_size=1, max_size=20), st.sampled_from(["revenue_minor", "units"]))
@settings(deadline=None)
def test_sums_that_differ_over_the_same_ids_are_named(arrived: list[Event], sum_name: str) -> None:
    counted = world_sums(arrived)
    setattr(counted[0], sum_name, getattr(counted[0], sum_name) + 1)
    evidence = compared(arrived, arrived, [])
    sums = event_sums(world_sums(arrived)), event_sums(counted)
    (minute,) = comparison.differing(*sums, NO_EVENTS)
    assert comparison.same_ids(*sums, minute)
    evidence.minutes[minute] = sums[0][minute], sums[1][minute]
    (finding,) = conclude(evidence).findings
    assert (finding.kind, finding.minute_start_time) == (Finding.MINUTE, counted[0].start_time)


def test_a_finding_names_the_first_hundred_events_and_counts_all() -> None:
    (finding,) = conclude(compared([event() for _ in range(250)], [], [])).findings
    assert (len(finding.event_ids), finding.event_count) == (100, 250)


def test_findings_are_capped_but_all_are_tallied() -> None:
    response = conclude(compared([event(minute) for minute in range(1200)], [], []))
    assert len(response.findings) == 1000
    assert response.summary.startswith("1,200 events lost")


def test_products_that_only_one_side_has_are_named() -> None:
    orders, metrics = [ProductSum(product_id="p1", units=1)], [ProductSum(product_id="p2", units=2)]
    found = product_findings(orders, metrics, orders, quiet=True)
    assert [(one.dimension, one.expected, one.actual) for one in found] == [("p1", 1, 0), ("p2", 0, 2)]


def test_a_product_under_traffic_is_wrong_only_outside_of_what_was_published_and_ordered() -> None:
    before = [ProductSum(product_id="p1", units=9, uncounted_units=2)]
    after = [ProductSum(product_id="p1", units=12)]
    for units, expected in ((6, [7]), (7, []), (12, []), (13, [12])):
        metrics = [ProductSum(product_id="p1", units=units)]
        assert [one.expected for one in product_findings(before, metrics, after, quiet=False)] == expected
    quiet = product_findings(before, [ProductSum(product_id="p1", units=8)], before, quiet=True)
    assert [(one.expected, one.actual) for one in quiet] == [(7, 8)]


def test_findings_have_money_in_major_units() -> None:
    money = metric_finding("revenue_per_minute", "2026-03-11T22:00Z", 7010, 7000, "the processed events")
    count = metric_finding("orders_total", "", 7010, 7000, "the processed events")
    assert (money.expected, money.actual) == (70.1, 70.0)
    assert money.message == "revenue_per_minute of 2026-03-11T22:00Z: is 70, the processed events add up to 70.1"
    assert (count.expected, count.actual) == (7010, 7000)
