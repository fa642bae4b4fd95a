"""The spans that one order leaves, from the client's span to the counts, wherever they are read from."""

from __future__ import annotations

import itertools

from otlp_receiver import ReceivedSpan

CREATE_ORDER = "ordermesh.orders.v1.OrderService/CreateOrder"
WAIT, SEND, PROCESS = "outbox wait", "send order-events", "process order-events"
# Each is the parent of the next. Zipkin has names in lower case.
CHAIN = [("orders", CREATE_ORDER, "SERVER"), ("publisher", WAIT, "INTERNAL"), ("publisher", SEND, "PRODUCER")]
CHAIN += [("processor", PROCESS, "CONSUMER")]
# The clocks of the processes and that of the database differ by what an exchange with it takes.
CLOCKS_NS = 50_000_000


class BrokenChain(AssertionError):
    """The spans are not one trace from the client to the counts."""


def chain(spans: list[ReceivedSpan], client_span_id: str) -> list[ReceivedSpan]:
    """Return the spans of an order from parent to child. Raises BrokenChain."""
    found, parent_id = [], client_span_id
    for service, name, kind in [("envoy", f"/{CREATE_ORDER}", "SERVER"), *CHAIN]:
        children = [one for one in spans if one.parent_id == parent_id]
        if len(children) != 1:
            raise BrokenChain(f"{service} {name}: {len(children)} children of {parent_id}")
        (child,) = children
        if (child.service, child.kind) != (service, kind) or name.lower() != child.name.lower():
            raise BrokenChain(f"{child.service} {child.name} {child.kind} is not {service} {name} {kind}")
        found.append(child)
        parent_id = child.span_id
    if len(found) != len(spans):
        raise BrokenChain(f"{len(spans) - len(found)} spans are no part of it")
    for before, after in itertools.pairwise(found):
        if after.start_ns < before.start_ns - CLOCKS_NS:
            raise BrokenChain(f"{after.name} begins before {before.name}")
    if any(one.end_ns < one.start_ns for one in found):
        raise BrokenChain("a span ends before it begins")
    return found
