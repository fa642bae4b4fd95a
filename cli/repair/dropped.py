"""Lost events that the outbox has dropped: which they are, and building them again from their orders."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from ordermesh.events.v1.events_pb2 import EventType

from cli.repair.comparison import DAY_SECONDS, LAST_SECONDS
from cli.repair.ledgers import differing, differing_sums
from orders.repair import order_replay, published
from orders.repair.order_replay import Exchange, Sums
from orders.repair.rebuilt_events import Known, MissingEvent, Slot, missing_events, placed
from processor.repair import rebuild
from processor.repair.counted import SQL
from runtime import timestamps
from runtime.postgres.connection_types import Connection
from stack.identity.operator import origin


@dataclass
class DroppedEvents:
    """Lost events that are built again, by minute and type, and why others cannot be."""

    exchanges: dict[Slot, Exchange] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def of_orders(self, order_ids: Collection[str] | None) -> dict[Slot, Exchange]:
        """Return the exchanges with events of some orders, None for all, and those that add up with them only."""
        chosen = {
            slot: exchange
            for slot, exchange in self.exchanges.items()
            if order_ids is None or any(event.key in order_ids for event in exchange.events)
        }
        together = {kind for (_, kind), exchange in chosen.items() if exchange.excess != (0, 0)}
        return {slot: one for slot, one in self.exchanges.items() if slot in chosen or slot[1] in together}

    def count(self, order_ids: Collection[str] | None = None) -> int:
        """Return the number of events that are built again for some orders, None for all."""
        return sum(len(exchange.events) for exchange in self.of_orders(order_ids).values())


def find_dropped(orders: Connection, analytics: Connection, start: float, end: float) -> DroppedEvents:
    """Return the lost events of a time range, in seconds since 1970, that the outbox has dropped."""
    found = DroppedEvents()
    lost = lost_slots(orders, analytics, start, min(end, published.held_since(orders)), found)
    if lost:
        missing = list(missing_of(orders, analytics, list(differing_order_minutes(orders, analytics)), found))
        free = {slot: sent[0] - counted[0] for slot, (sent, counted) in lost.items()}
        built = {slot: Exchange(events, *lost[slot]) for slot, events in placed(missing, free).items()}
        found.exchanges = accepted(built)
        for slot in sorted(lost.keys() - found.exchanges.keys()):
            found.problems.append(f"{name(slot)}: {free[slot]:,} lost events that the orders do not tell exactly")
    return found


def accepted(built: dict[Slot, Exchange]) -> dict[Slot, Exchange]:
    """Return the exchanges that add up to what is lost: those of one minute, or together those of one type.

    Events in the middle of an order's life may have changed their minutes among each other, which no metric shows.
    """
    complete = {slot: one for slot, one in built.items() if one.is_complete}
    exact = {slot for slot, one in complete.items() if one.excess == (0, 0)}
    for kind in {kind for _, kind in complete.keys() - exact}:
        rest = [slot for slot in complete.keys() - exact if slot[1] == kind]
        if all(sum(complete[slot].excess[n] for slot in rest) == 0 for n in range(2)):
            exact.update(rest)
    return {slot: complete[slot] for slot in sorted(exact)}


def replay_dropped(orders: Connection, found: DroppedEvents, order_ids: Collection[str] | None = None) -> None:
    """Publish the rebuilt events of some orders, None for all."""
    if exchanges := found.of_orders(order_ids):
        order_replay.replay_rebuilt(orders, exchanges, origin())


def lost_slots(
    orders: Connection, analytics: Connection, start: float, end: float, found: DroppedEvents
) -> dict[Slot, tuple[Sums, Sums]]:
    """Return the minutes and types of which fewer events are counted than published, with the sums of both."""
    lost: dict[Slot, tuple[Sums, Sums]] = {}
    first, last = int(start) // DAY_SECONDS * DAY_SECONDS, int(end)
    for day in differing(orders, analytics, "DAY", first, last, "event_sums"):
        for slot, (sent, counted) in differing_sums(
            orders, analytics, "MINUTE", max(day, int(start)), min(day + DAY_SECONDS, last), "event_sums"
        ).items():
            if sent[0] > counted[0] and slot[1] < EventType.RESTOCK_REQUESTED:
                lost[slot] = sent, counted
            else:
                found.problems.append(f"{name(slot)}: {sent[0]:,} events published, {counted[0]:,} counted")
    return lost


def missing_of(
    orders: Connection, analytics: Connection, minutes: Sequence[int], found: DroppedEvents
) -> Iterator[list[list[MissingEvent]]]:
    """Yield the events of each order of some minutes that are neither counted nor in the outbox, by way."""
    stored = list(order_replay.orders_of_minutes(orders, minutes))
    ids = [order.order_id for order, _ in stored]
    known: dict[str, dict[int, tuple[int, int] | None]] = {}
    for key, kind, states in order_replay.held_events(orders, ids, min(minutes, default=0)):
        known.setdefault(key, {})[kind] = states
    for key, kind, before, after in analytics.execute(SQL.events_of_orders, {"order_ids": ids}):
        known.setdefault(key, {})[kind] = (before, after)
    rejected = {row[0] for row in analytics.execute(SQL.orders_with_dead_letters, {"order_ids": ids})}
    since_us = counted_since(analytics) * 1_000_000
    for order, trace_id in stored:
        of_order: Known = known.get(order.order_id, {})
        if order.order_id in rejected:
            found.problems.append(f"order {order.order_id} has a dead letter: ordermesh dlq list")
        elif order.created_at_us < since_us:
            found.problems.append(f"order {order.order_id} is older than what workers count: ordermesh rebuild")
        elif order_ways := missing_events(order, trace_id, of_order):
            yield order_ways
        else:
            found.problems.append(f"order {order.order_id}: its counted events do not lead to its status")


def differing_order_minutes(orders: Connection, analytics: Connection) -> Iterator[int]:
    """Yield the minutes of acceptance of orders whose counted events do not lead to their status."""
    for day in differing(orders, analytics, "DAY", 0, LAST_SECONDS, "order_sums"):
        yield from differing(orders, analytics, "MINUTE", day, day + DAY_SECONDS, "order_sums")


def counted_since(analytics: Connection) -> int:
    """Return from when on workers count, in seconds since 1970: a day after those events of which it is not known."""
    held_since, _ = rebuild.coverage(analytics)
    return held_since + DAY_SECONDS if held_since else 0


def name(slot: Slot) -> str:
    """Return a minute and an event type as text."""
    return f"{timestamps.minute_text(slot[0])} {EventType.Name(slot[1])}"
