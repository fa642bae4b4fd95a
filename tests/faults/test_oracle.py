"""The rules of the oracle: a platform on which all hold, and one broken thing after the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from ordermesh.events.v1 import events_pb2
from ordermesh.orders.v1 import inventory_pb2, orders_pb2

from faults.load.journal import CANCEL, CREATE, PAY, RESTOCK, Call, Journal
from faults.oracle import counts, events, orders, stock
from faults.oracle.evidence import Evidence, OrderRow
from faults.oracle.log_reader import ORDER_EVENTS, STOCK, Record
from faults.oracle.verdict import Expected, judge, same_verdict
from loadgen.transports.answers import Outcome

INITIAL = {"t1": 5}
ITEMS = [orders_pb2.OrderItem(product_id="t1", quantity=2, price=1.5)]
STATUS = orders_pb2.Order.Status
EXPECTED = Expected(INITIAL)


def request(number: int) -> Any:
    return orders_pb2.CreateOrderRequest(customer_id="cust-1", items=ITEMS, request_id=f"r{number}")


def call(method: str, message: Any, order_id: str = "", outcome: Outcome = Outcome.ACCEPTED) -> Call:
    return Call(method, message, 1.0, outcome=outcome, order_id=order_id, ended_at=2.0)


def event(order: str, sequence: int, before: int, after: int, **payload: Any) -> events_pb2.OrderEvent:
    made = events_pb2.OrderEvent(
        event_id=f"{order}-{sequence}",
        order_id=order,
        sequence=sequence,
        previous_status=before,
        status=after,
        total_minor=300,
        schema_version=1,
        **payload,
    )
    made.occur_time.seconds = 60
    return made


def record(offset: int, made: Any, topic: str = ORDER_EVENTS, partition: int = 0) -> Record:
    return Record(topic, 0, partition, offset, "", made)


def created(order: str) -> events_pb2.OrderEvent:
    items = [events_pb2.Item(product_id="t1", quantity=2, price_minor=150)]
    return event(order, 1, 0, STATUS.CREATED, order_created=events_pb2.OrderCreated(items=items))


def paid(order: str) -> events_pb2.OrderEvent:
    return event(order, 2, STATUS.CREATED, STATUS.PAID, payment_completed=events_pb2.PaymentCompleted())


RESTOCKED = events_pb2.StockEvent(event_id="s1", product_id="t1", restocked=events_pb2.Restocked(quantity=3))
LOG = [record(0, created("o1")), record(1, paid("o1")), record(2, created("o2")), record(0, RESTOCKED, STOCK)]
ORDER_1 = OrderRow("o1", "cust-1", "PAID", 2, 300, [("t1", 2, 150)])
ORDER_2 = OrderRow("o2", "cust-1", "CREATED", 1, 300, [("t1", 2, 150)])


def journal() -> Journal:
    """Two orders, one of which is paid, one restock, one refused order and one without an answer."""
    pay = orders_pb2.CompletePaymentRequest(order_id="o1", request_id="p1")
    restock = inventory_pb2.RestockProductRequest(product_id="t1", quantity=3, request_id="s1")
    calls = [call(CREATE, request(1), "o1"), call(PAY, pay, "o1"), call(RESTOCK, restock)]
    calls += [call(CREATE, request(2), "", Outcome.UNKNOWN), call(CREATE, request(3), "", Outcome.REFUSED)]
    return Journal(calls)


def evidence() -> Evidence:
    """What is stored of it: the order without an answer was stored."""
    return Evidence(
        orders={"o1": ORDER_1, "o2": ORDER_2},
        order_requests={"r1": ["o1"], "r2": ["o2"]},
        change_requests={"p1": (PAY, "o1"), "s1": (RESTOCK, "t1")},
        stock={"t1": (4, 0)},
        outbox={"SENT": 4},
        counted=[("o1-1", "o1", 1), ("o1-2", "o1", 3), ("o2-1", "o2", 1), ("s1", "", 17)],
        metrics=dict(counts.sums(each.event for each in LOG)),
        dead_letters={},
        log=list(LOG),
    )


def test_a_platform_on_which_all_rules_hold_has_no_violation() -> None:
    assert judge(journal(), evidence(), EXPECTED) == []


def without(key: str, known: Mapping[Any, Any]) -> dict[Any, Any]:
    return {name: value for name, value in known.items() if name != key}


def waiting(known: Evidence) -> dict[str, Any]:
    return {"orders": {"o1": ORDER_1, "o2": dataclasses.replace(ORDER_2, status="PENDING_RESTOCK")}}


BROKEN: list[tuple[str, Callable[[Evidence], dict[str, Any]]]] = [
    (orders.LOST, lambda known: {"orders": without("o1", known.orders)}),
    (orders.CHANGED, lambda known: {"orders": known.orders | {"o1": dataclasses.replace(ORDER_1, total_minor=1)}}),
    (
        orders.CHANGE_LOST,
        lambda known: {"orders": known.orders | {"o1": dataclasses.replace(ORDER_1, status="CREATED")}},
    ),
    (
        orders.CHANGE_UNEXPLAINED,
        lambda known: {"orders": known.orders | {"o2": dataclasses.replace(ORDER_2, status="CANCELLED")}},
    ),
    (orders.DOUBLED, lambda known: {"order_requests": known.order_requests | {"r1": ["o1", "o9"]}}),
    (orders.REFUSED_STORED, lambda known: {"order_requests": known.order_requests | {"r3": ["o3"]}}),
    (orders.UNEXPLAINED, lambda known: {"orders": known.orders | {"o9": ORDER_2}}),
    (events.UNPUBLISHED, lambda known: {"outbox": {"SENT": 3, "NEW": 1}}),
    (events.MISSING, lambda known: {"log": known.log[:1] + known.log[2:]}),
    (events.PHANTOM, lambda known: {"log": [*known.log, record(9, created("o9"))]}),
    (events.DISORDER, lambda known: {"log": [record(5, created("o1")), *known.log[1:]]}),
    (events.SPLIT, lambda known: {"log": [record(0, created("o1"), partition=1), *known.log[1:]]}),
    (events.DIFFERENT, lambda known: {"log": [*known.log, record(9, event("o1", 2, 1, 5))]}),
    (events.UNTRUE, lambda known: {"log": [known.log[0], record(1, event("o1", 2, 1, 5)), *known.log[2:]]}),
    (counts.NOT_COUNTED, lambda known: {"counted": known.counted[1:]}),
    (counts.COUNTED_PHANTOM, lambda known: {"counted": [*known.counted, ("o9-1", "o9", 1)]}),
    (counts.METRIC, lambda known: {"metrics": known.metrics | {("revenue_total", ""): 601}}),
    (counts.METRIC, lambda known: {"metrics": without(("orders_total", ""), known.metrics)}),  # type: ignore[arg-type]
    (counts.DEAD_LETTER, lambda known: {"dead_letters": {(ORDER_EVENTS, "EMPTY"): 1}}),
    (stock.RESTOCK_LOST, lambda known: {"change_requests": without("s1", known.change_requests)}),
    (stock.RESTOCK_UNEXPLAINED, lambda known: {"change_requests": known.change_requests | {"s9": (RESTOCK, "t1")}}),
    (stock.UNITS, lambda known: {"stock": {"t1": (3, 0)}}),
    (stock.LEFT_WAITING, waiting),
]


@pytest.mark.parametrize(
    ("rule", "change"), BROKEN, ids=[f"{number}-{rule}" for number, (rule, _) in enumerate(BROKEN)]
)
def test_what_breaks_a_rule_is_named_by_it(rule: str, change: Callable[[Evidence], dict[str, Any]]) -> None:
    known = evidence()
    broken = dataclasses.replace(known, **change(known))
    assert rule in {violation.rule for violation in judge(journal(), broken, EXPECTED)}


def test_a_refused_restock_that_was_stored_is_named() -> None:
    told = journal()
    told.calls[2].outcome = Outcome.REFUSED
    assert stock.RESTOCK_REFUSED in {violation.rule for violation in judge(told, evidence(), EXPECTED)}


def test_answers_that_contradict_each_other_are_named() -> None:
    told = journal()
    told.contradiction("request r1 created o1, repeated it created o9")
    assert [str(violation) for violation in judge(told, evidence(), EXPECTED)] == [
        "answers contradict each other: request r1 created o1, repeated it created o9"
    ]


def test_events_that_come_again_are_no_violation() -> None:
    known = evidence()
    again = dataclasses.replace(known, log=[*known.log, record(7, created("o1")), record(8, paid("o1"))])
    assert judge(journal(), again, EXPECTED) == []


def test_a_cancellation_of_which_nothing_is_left_is_named() -> None:
    told = journal()
    cancel = orders_pb2.CancelOrderRequest(order_id="o2", request_id="c1")
    told.calls.append(call(CANCEL, cancel, "o2"))
    names = {violation.rule for violation in judge(told, evidence(), EXPECTED)}
    assert names == {orders.CHANGE_LOST}


def test_verdicts_are_compared_where_reconcile_can_tell() -> None:
    known = evidence()
    lost = judge(journal(), dataclasses.replace(known, counted=known.counted[1:]), EXPECTED)
    assert same_verdict(lost, "DIFFERS")
    assert not same_verdict(lost, "AGREES")
    assert same_verdict([], "AGREES")
    assert not same_verdict([], "DIFFERS")
    told = journal()
    told.contradiction("only a client can know")
    assert same_verdict(judge(told, known, EXPECTED), "AGREES")
