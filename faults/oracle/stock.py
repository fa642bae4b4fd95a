"""The rules of stock: restocks against requests, and units against restocks and allocations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from ordermesh.events.v1.events_pb2 import StockEvent

from faults.load.journal import RESTOCK, Journal, outcomes
from faults.oracle.evidence import Evidence
from faults.oracle.violation import Violation, named
from loadgen.transports.answers import Outcome

RESTOCK_LOST = "acknowledged restock lost"
RESTOCK_REFUSED = "refused restock stored"
RESTOCK_UNEXPLAINED = "restock that nobody sent"
UNITS = "units of stock are wrong"
LEFT_WAITING = "backorder left waiting though its stock is there"
ALLOCATED = ("CREATED", "PAID", "SHIPPED")


def check(journal: Journal, known: Evidence, initial: Mapping[str, int]) -> Iterator[Violation]:
    """Yield what breaks the rules of stock."""
    restocks = [call for call in journal.calls if call.method == RESTOCK]
    told = outcomes(restocks)
    stored = {request_id for request_id, (method, _) in known.change_requests.items() if method == RESTOCK}
    by_outcome = {outcome: {request_id for request_id, each in told.items() if each is outcome} for outcome in Outcome}
    yield from named(RESTOCK_LOST, by_outcome[Outcome.ACCEPTED] - stored)
    yield from named(RESTOCK_REFUSED, by_outcome[Outcome.REFUSED] & stored)
    yield from named(RESTOCK_UNEXPLAINED, stored - told.keys())
    arrived: Counter[str] = Counter(initial)
    for call in {call.request_id: call for call in restocks if call.request_id in stored}.values():
        arrived[call.request.product_id] += call.request.quantity
    taken = allocated(known)
    yield from named(
        UNITS,
        {
            f"{product_id} has {known.stock[product_id][0]}, must have {arrived[product_id] - taken[product_id]}"
            for product_id in initial
            if known.stock[product_id][0] != arrived[product_id] - taken[product_id]
        },
    )
    told_events = restocked(known)
    yield from named(
        UNITS,
        {
            f"{product_id}: events restock {told_events[product_id]}, requests {arrived[product_id] - units}"
            for product_id, units in initial.items()
            if told_events[product_id] != arrived[product_id] - units
        },
    )
    yield from named(LEFT_WAITING, left_waiting(known))


def allocated(known: Evidence) -> Counter[str]:
    """Return the units that orders have of each tracked product."""
    found: Counter[str] = Counter()
    for order in known.orders.values():
        if order.status in ALLOCATED:
            found.update({product: units for product, units, _ in order.lines if product in known.stock})
    return found


def restocked(known: Evidence) -> Counter[str]:
    """Return the units by product that events of the log restocked."""
    events = {record.event.event_id: record.event for record in known.log}.values()
    found: Counter[str] = Counter()
    for event in events:
        if isinstance(event, StockEvent) and event.HasField("restocked"):
            found[event.product_id] += event.restocked.quantity
    return found


def left_waiting(known: Evidence) -> Iterator[str]:
    """Yield backorders that need no more than what is there and held for nobody."""
    for order in known.orders.values():
        needs = [(product, units) for product, units, _ in order.lines if product in known.stock]
        free = all(units <= stock - held for product, units in needs for stock, held in (known.stock[product],))
        if order.status == "PENDING_RESTOCK" and free:
            yield order.order_id
