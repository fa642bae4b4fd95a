"""The rules of orders: what the clients were told against the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from faults.load.journal import CANCEL, CREATE, PAY, SHIP, Call, Journal, outcomes
from faults.oracle.evidence import Evidence, OrderRow
from faults.oracle.violation import Violation, named
from loadgen.transports.answers import Outcome

LOST = "acknowledged order lost"
DOUBLED = "request executed twice"
CHANGED = "order is not what was ordered"
REFUSED_STORED = "refused request stored"
UNEXPLAINED = "order that nobody sent"
CONTRADICTED = "answers contradict each other"
CHANGE_LOST = "acknowledged change lost"
CHANGE_UNEXPLAINED = "change that nobody asked for"
# The statuses in which a change has happened, or was overtaken by another that the state machine allows.
REACHED = {PAY: ("PAID", "SHIPPED", "CANCELLED"), SHIP: ("SHIPPED",), CANCEL: ("CANCELLED",)}
NEEDS = {"PAID": PAY, "SHIPPED": SHIP, "CANCELLED": CANCEL}


def check(journal: Journal, known: Evidence) -> Iterator[Violation]:
    """Yield what breaks the rules of orders."""
    created = [call for call in journal.calls if call.method == CREATE]
    changes = [call for call in journal.calls if call.method in REACHED]
    yield from named(CONTRADICTED, journal.wrong)
    yield from acknowledged(created, known)
    yield from requests(created, known)
    yield from changed(changes, known)


def acknowledged(created: Sequence[Call], known: Evidence) -> Iterator[Violation]:
    """Yield acknowledged orders that are lost or have other content."""
    accepted = [call for call in created if call.accepted]
    yield from named(LOST, {call.order_id for call in accepted if call.order_id not in known.orders})
    stored = [(call, known.orders[call.order_id]) for call in accepted if call.order_id in known.orders]
    yield from named(CHANGED, {call.order_id for call, order in stored if not same(call, order)})


def same(call: Call, order: OrderRow) -> bool:
    """Return whether an order is what was requested."""
    wanted = [(item.product_id, item.quantity, round(item.price * 100)) for item in call.request.items]
    total = sum(quantity * price for _, quantity, price in wanted)
    return (order.customer_id, list(order.lines), order.total_minor) == (call.request.customer_id, wanted, total)


def requests(created: Sequence[Call], known: Evidence) -> Iterator[Violation]:
    """Yield requests with more than one order, with one though they were refused, and orders without a request."""
    told = outcomes(created)
    owners = Counter(order_id for ids in known.order_requests.values() for order_id in ids)
    yield from named(DOUBLED, {request_id for request_id, ids in known.order_requests.items() if len(ids) > 1})
    yield from named(DOUBLED, {order_id for order_id, count in owners.items() if count > 1})
    refused = {request_id for request_id, outcome in told.items() if outcome is Outcome.REFUSED}
    yield from named(REFUSED_STORED, refused & known.order_requests.keys())
    explained = {call.order_id for call in created if call.accepted}
    explained |= {
        order_id for request_id in told.keys() - refused for order_id in known.order_requests.get(request_id, ())
    }
    yield from named(UNEXPLAINED, known.orders.keys() - explained)


def changed(changes: Sequence[Call], known: Evidence) -> Iterator[Violation]:
    """Yield acknowledged payments, shipments and cancellations that are lost, and statuses that nobody asked for."""
    asked: dict[str, set[str]] = {}
    for call in changes:
        if call.outcome is not Outcome.REFUSED:
            asked.setdefault(call.order_id, set()).add(call.method)
    yield from named(CHANGE_LOST, set(lost_changes(changes, known.orders)))
    yield from named(
        CHANGE_UNEXPLAINED,
        {
            order.order_id
            for order in known.orders.values()
            if order.status in NEEDS and NEEDS[order.status] not in asked.get(order.order_id, ())
        },
    )


def lost_changes(changes: Sequence[Call], orders: Mapping[str, OrderRow]) -> Iterator[str]:
    """Yield the ids of orders that do not have a status that was acknowledged."""
    for call in changes:
        order = orders.get(call.order_id)
        if call.accepted and order is not None and order.status not in REACHED[call.method]:
            yield call.order_id
