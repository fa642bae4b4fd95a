"""Every limit that a contract declares is enforced by the service, and shown by the OpenAPI document.

The methods run without servers: whatever they need after validation raises Accepted.
"""

import asyncio
import copy
import functools
import inspect
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import ordermesh
import pytest
from google.api import field_behavior_pb2
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.analytics.v1 import analytics_pb2
from ordermesh.gateway.v1 import dead_letters_pb2, pipeline_pb2, timeline_pb2, watch_pb2
from ordermesh.internal.v1.revision_pb2 import MetricsRevision, OrdersRevision
from ordermesh.options.v1 import options_pb2
from ordermesh.options.v1.options_pb2 import FieldRules, TextRules
from ordermesh.orders.v1 import inventory_pb2, orders_pb2
from signed_tokens import tokens

from gateway.backends.stream_credentials import StreamCredentials
from gateway.dead_letters.dead_letter_service import DeadLetterService
from gateway.pipeline.pipeline_service import PipelineService
from gateway.timeline.order_timeline_service import OrderTimelineService
from gateway.watch import revision
from gateway.watch.revision import Revisions
from gateway.watch.watch_service import WatchService
from orders.api.inventory_service import InventoryService
from orders.api.order_service import OrderService
from processor.counting import deltas
from processor.query import validation
from processor.query.analytics_service import AnalyticsService
from runtime import timestamps
from runtime.errors import InvalidRequest
from runtime.identity import caller
from runtime.identity.shares import Shares
from runtime.tokens import order_revision, page_token

OPENAPI = json.loads((Path(next(iter(ordermesh.__path__))) / "openapi.json").read_text())
# Fields of requests that accept every value of their type, with the reason.
WITHOUT_RULES = {
    "ordermesh.gateway.v1.ChangeDeadLettersRequest.filter": "its fields have rules",
    "ordermesh.gateway.v1.WatchOrdersRequest.customer_id": "it is compared with ids in the log, which may be older",
}
SHARED = {"order_id", "product_id", "customer_id", "request_id", "price", "page_size", "page_token"}
MESSAGE = FieldDescriptor.TYPE_MESSAGE
TYPES_WITH_A_RULE = {FieldDescriptor.TYPE_BOOL, FieldDescriptor.TYPE_ENUM}
TIMESTAMP = Timestamp.DESCRIPTOR.full_name
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
UUID = "019a0000-0000-7000-8000-000000000000"


class Accepted(Exception):
    """The request passed validation."""


class Beyond:
    """Stands for everything that a method needs after validation."""

    def __getattr__(self, name: str) -> "Beyond":
        return self

    def __call__(self, *args: object, **kwargs: object) -> "Beyond":
        return self

    def __bool__(self) -> bool:
        return False

    def __enter__(self) -> "Beyond":
        return self

    def __exit__(self, *args: object) -> None: ...

    async def __aenter__(self) -> "Beyond":
        return self

    async def __aexit__(self, *args: object) -> None: ...

    def __await__(self) -> Iterator[None]:
        raise Accepted

    def __iter__(self) -> Iterator[None]:
        raise Accepted

    def __len__(self) -> int:
        raise Accepted

    def __getitem__(self, key: object) -> None:
        raise Accepted


class Context:
    """A call without metadata and deadline."""

    def time_remaining(self) -> None: ...

    def invocation_metadata(self) -> tuple[()]:
        return ()


def servicer(kind: type, **attributes: object) -> Any:
    made = object.__new__(type("Servicer", (kind,), {"__getattr__": lambda self, name: Beyond()}))
    vars(made).update(attributes)
    return made


PAGES = page_token.PageTokens(tokens(), "List")
SERVICERS: dict[ServiceDescriptor, Any] = {
    orders_pb2.DESCRIPTOR.services_by_name["OrderService"]: servicer(
        OrderService, _stream_tokens=PAGES, _list_tokens=PAGES
    ),
    inventory_pb2.DESCRIPTOR.services_by_name["InventoryService"]: servicer(InventoryService, _page_tokens=PAGES),
    analytics_pb2.DESCRIPTOR.services_by_name["AnalyticsService"]: servicer(AnalyticsService, _page_tokens=PAGES),
    dead_letters_pb2.DESCRIPTOR.services_by_name["DeadLetterService"]: servicer(DeadLetterService, _tokens=PAGES),
    timeline_pb2.DESCRIPTOR.services_by_name["OrderTimelineService"]: servicer(OrderTimelineService),
    pipeline_pb2.DESCRIPTOR.services_by_name["PipelineService"]: servicer(
        PipelineService, _places=Shares(1, 1), _credentials=StreamCredentials("", 1.0)
    ),
    watch_pb2.DESCRIPTOR.services_by_name["WatchService"]: servicer(
        WatchService,
        _places=Shares(1, 1),
        _credentials=StreamCredentials("", 1.0),
        _orders_revisions=Revisions(tokens(), "WatchOrders", OrdersRevision),
        _metrics_revisions=Revisions(tokens(), "WatchMetrics", MetricsRevision),
    ),
}


def call(method: Callable[..., Any], request: Message) -> None:
    """Call a method up to its first use of something else than the request."""
    caller.set_current(caller.ANONYMOUS)
    answer = method(request, Context())
    if inspect.isasyncgen(answer):
        answer = anext(answer)
    if inspect.isawaitable(answer):
        asyncio.run(waiting(answer))


async def waiting(answer: Any) -> None:
    await answer


def violated(check: Callable[[Message], None], request: Message) -> set[str]:
    """Return the fields that a request is refused for, none if it is accepted."""
    try:
        check(request)
    except Accepted:
        return set()
    except InvalidRequest as error:
        return {violation.field for violation in error.violations}
    raise AssertionError("neither accepted nor refused")


ITEM = orders_pb2.OrderItem(product_id="p1", quantity=1, price=1.0)
ORDER = orders_pb2.CreateOrderRequest(customer_id="c", items=[ITEM])
VALID: list[Message] = [
    ORDER,
    orders_pb2.BatchCreateOrdersRequest(requests=[ORDER]),
    orders_pb2.GetOrderRequest(order_id=UUID),
    orders_pb2.CancelOrderRequest(order_id=UUID),
    orders_pb2.CompletePaymentRequest(order_id=UUID),
    orders_pb2.ShipOrderRequest(order_id=UUID),
    dead_letters_pb2.GetDeadLetterRequest(dead_letter_id="outbox.1"),
    timeline_pb2.GetOrderTimelineRequest(order_id=UUID),
    inventory_pb2.GetProductRequest(product_id="p1"),
    inventory_pb2.CreateProductRequest(product_id="p1", name="n", price=1.0, tracked=True),
    inventory_pb2.RestockProductRequest(product_id="p1", quantity=1),
]


def valid(kind: Descriptor) -> Message:
    """Return a valid request, with no more fields than needed."""
    found = next((each for each in VALID if each.DESCRIPTOR is kind), None)
    made = message_factory.GetMessageClass(kind)()
    if found is not None:
        made.CopyFrom(found)
    return made


@dataclass(frozen=True)
class Place:
    """A field of a request of a method, as the path of fields that leads to it."""

    method: str
    check: Callable[[Message], None]
    request: Descriptor
    path: tuple[FieldDescriptor, ...]

    @property
    def field(self) -> FieldDescriptor:
        return self.path[-1]

    @property
    def name(self) -> str:
        """The field as a violation names it."""
        *outer, last = self.path
        return "".join(f"{field.name}[0]." if is_repeated(field) else f"{field.name}." for field in outer) + last.name

    @property
    def rules(self) -> FieldRules:
        return self.field.GetOptions().Extensions[options_pb2.rules]

    @property
    def required(self) -> bool:
        return is_required(self.field)

    def refused(self, change: Callable[[Any], None]) -> set[str]:
        """Return the fields that a valid request is refused for after a change of the message that has the field."""
        request = valid(self.request)
        holder: Any = request
        for field in self.path[:-1]:
            holder = getattr(holder, field.name)
            holder = holder[0] if is_repeated(field) else holder
        change(holder)
        return violated(self.check, request)

    def refused_with(self, value: Any) -> set[str]:
        return self.refused(lambda holder: setattr(holder, self.field.name, value))


def is_repeated(field: FieldDescriptor) -> bool:
    return bool(field.is_repeated)


def is_required(field: FieldDescriptor) -> bool:
    return field_behavior_pb2.REQUIRED in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]


def places() -> Iterator[Place]:
    """Yield every field of every request of the public methods."""
    for service, implementation in SERVICERS.items():
        for method in service.methods:
            check = functools.partial(call, getattr(implementation, method.name))
            for path in paths(method.input_type, ()):
                yield Place(method.name, check, method.input_type, path)


def paths(kind: Descriptor, outer: tuple[FieldDescriptor, ...]) -> Iterator[tuple[FieldDescriptor, ...]]:
    """Yield the paths of the fields of a message; those of a batched order are the ones of CreateOrder."""
    for field in kind.fields:
        yield (*outer, field)
        nested = field.message_type if field.type == MESSAGE else None
        if nested is not None and nested.full_name not in (TIMESTAMP, ORDER.DESCRIPTOR.full_name):
            yield from paths(nested, (*outer, field))


PLACES = list(places())
# Valid elements of fields that may be empty, by their number.
ELEMENTS: dict[str, Callable[[int], str]] = {
    "dead_letter_ids": lambda number: f"outbox.{number}",
    "partitions": lambda number: f"stock/{number}",
    "min_revisions": lambda number: order_revision.encode(UUID, orders_pb2.Order.PAID, number),
}


def is_token(place: Place) -> bool:
    return bool(place.rules.text.format == TextRules.TOKEN)


def with_rules(kind: str, chosen: Callable[[Place], bool] = lambda place: True) -> Any:
    """Parametrise a test with the fields that have such rules."""
    found = [place for place in PLACES if place.rules.WhichOneof("kind") == kind and chosen(place)]
    assert found
    return pytest.mark.parametrize("place", [pytest.param(one, id=f"{one.method}-{one.name}") for one in found])


def test_every_field_of_a_request_has_rules() -> None:
    bare = {
        place.field.full_name
        for place in PLACES
        if place.rules.WhichOneof("kind") is None and place.field.type not in TYPES_WITH_A_RULE
    }
    assert bare == set(WITHOUT_RULES)


def test_fields_of_one_name_have_the_same_rules() -> None:
    found: dict[str, set[bytes]] = {}
    for place in PLACES:
        if place.field.name in SHARED:
            rules = place.rules.SerializeToString(deterministic=True)
            found.setdefault(place.field.name, set()).update({rules} - {b""})
    assert {name: len(rules) for name, rules in found.items()} == dict.fromkeys(found, 1)


def test_every_request_that_is_called_valid_is_accepted() -> None:
    assert {place.method: place.refused(lambda holder: None) for place in PLACES} == {
        place.method: set() for place in PLACES
    }


@pytest.mark.parametrize("place", [pytest.param(one, id=f"{one.method}-{one.name}") for one in PLACES])
def test_a_field_can_be_absent_unless_it_is_required(place: Place) -> None:
    refused = place.refused(lambda holder: holder.ClearField(place.field.name))
    assert refused == ({place.name} if place.required else set())


@with_rules("number")
def test_numbers_are_accepted_within_their_limits_only(place: Place) -> None:
    rules = place.rules.number
    inside = {rules.minimum, rules.maximum} | ({0} if rules.HasField("default_value") else set())
    outside = {rules.minimum - 1, rules.maximum + 1} - inside | ({-1} if rules.HasField("default_value") else set())
    assert {value: place.refused_with(value) for value in inside} == {key: set() for key in inside}
    assert {value: place.refused_with(value) for value in outside} == {key: {place.name} for key in outside}


@with_rules("number")
def test_numbers_have_at_most_the_declared_decimals(place: Place) -> None:
    decimals = place.rules.number.max_decimals
    if place.field.type == FieldDescriptor.TYPE_DOUBLE:
        assert decimals
        assert place.refused_with(1 + 10**-decimals) == set()
        assert place.refused_with(1 + 10 ** -(decimals + 1)) == {place.name}
        assert place.refused_with(place.rules.number.maximum + 10**-decimals) == {place.name}
    else:
        assert not decimals


@with_rules("number", lambda place: bool(place.rules.number.only_with))
def test_numbers_that_belong_to_a_bool_are_refused_without_it(place: Place) -> None:
    def change(holder: Any) -> None:
        setattr(holder, place.field.name, 1)
        setattr(holder, place.rules.number.only_with, False)

    assert place.refused(change) == {place.name}


@with_rules("text", lambda place: not is_token(place))
def test_texts_are_accepted_within_their_limits_only(place: Place) -> None:
    inside, outside = samples(place.rules.text)
    assert {value: place.refused_with(value) for value in inside} == {key: set() for key in inside}
    assert {value: place.refused_with(value) for value in outside} == {key: {place.name} for key in outside}


def samples(rules: TextRules) -> tuple[set[str], set[str]]:
    """Return texts that are accepted, and texts that are not."""
    if rules.format == TextRules.UUID:
        return {UUID, UUID.upper()}, {UUID[:-1], f"{UUID}0", UUID.replace("-", ""), UUID.replace("9", "g")}
    if rules.one_of:
        return set(rules.one_of), {"other", rules.one_of[0].upper()}
    assert rules.max_length > rules.min_length > 0
    known = [chr(code) for code in (*range(256), 0x2028, 0x1F600)]
    right = [one for one in known if re.fullmatch(f"[{rules.characters}]", one)]
    wrong = set(known) - set(right)
    assert right
    assert wrong
    inside = {right[-1] * rules.min_length, right[-1] * rules.max_length, *right} - set(rules.excluded)
    return inside, {right[-1] * (rules.max_length + 1), *rules.excluded, *wrong, f"{right[-1]}\0"}


def test_the_names_of_metrics_are_those_of_the_contract() -> None:
    (named,) = ({*place.rules.text.one_of} for place in PLACES if place.field.name == "metric_name")
    assert named == deltas.NAMES


@with_rules("text", is_token)
def test_texts_that_are_no_tokens_are_refused(place: Place) -> None:
    assert place.refused_with("other") == {place.name}


def test_the_longest_tokens_are_as_long_as_the_contracts_say() -> None:
    lengths = {place.field.name: place.rules.text.max_length for place in PLACES if is_token(place)}
    assert lengths == {"page_token": page_token.MAX_TOKEN_CHARACTERS, "after_revision": revision.MAX_CHARACTERS}


@with_rules("items")
def test_repeated_fields_are_accepted_within_their_limits_only(place: Place) -> None:
    rules = place.rules.items
    expected = {rules.min_items: set(), rules.max_items: set(), rules.max_items + 1: {place.name}}
    expected |= {rules.min_items - 1: {place.name}} if rules.min_items else {}
    assert {count: place.refused(repeated(place, count)) for count in expected} == expected


def repeated(place: Place, count: int) -> Callable[[Any], None]:
    """Return the change that repeats the first element so many times, or has as many that are valid."""

    def change(holder: Any) -> None:
        elements = getattr(holder, place.field.name)
        if place.field.name in ELEMENTS:
            elements.extend(map(ELEMENTS[place.field.name], range(count)))
            return
        first = copy.deepcopy(elements[0])
        del elements[:]
        elements.extend([first] * count)

    return change


def test_the_total_of_an_order_is_limited() -> None:
    (place,) = (one for one in PLACES if one.rules.items.max_total_price)
    price = 10_000_000.0
    quantity = int(place.rules.items.max_total_price // price)

    def change(cents: int) -> Callable[[Any], None]:
        def add(holder: Any) -> None:
            holder.items[0].quantity, holder.items[0].price = quantity, price
            if cents:
                holder.items.add(product_id="p2", quantity=1, price=cents / 100)

        return add

    assert place.refused(change(0)) == set()
    assert place.refused(change(1)) == {place.name}


def moment(text: str) -> Timestamp:
    found = Timestamp()
    found.FromJsonString(text)
    return found


def shifted(time: Timestamp, nanos: int = 0, minutes: int = 0) -> Timestamp:
    total = time.ToNanoseconds() + nanos + minutes * 60_000_000_000
    return Timestamp(seconds=total // 1_000_000_000, nanos=total % 1_000_000_000)


def at(**times: Timestamp) -> Callable[[Any], None]:
    """Return the change that sets times."""

    def change(holder: Any) -> None:
        for name, time in times.items():
            getattr(holder, name).CopyFrom(time)

    return change


@with_rules("time")
def test_times_are_accepted_within_their_limits_only(place: Place) -> None:
    rules, name = place.rules.time, place.field.name
    earliest, latest = moment(rules.earliest), moment(rules.latest)
    assert (timestamps.EPOCH, timestamps.is_timestamp(latest)) == (EARLIEST, True)
    for beyond in (shifted(earliest, nanos=-1), shifted(latest, nanos=1)):
        assert place.refused(at(**{name: beyond})) == {place.name}
    if place.method != "OrdersPerMinute":
        assert [place.refused(at(**{name: time})) for time in (earliest, latest)] == [set(), set()]


@with_rules("time", lambda place: bool(place.rules.time.HasField("span")))
def test_a_span_of_times_is_limited(place: Place) -> None:
    span, end = place.rules.time.span, place.field.name
    earliest, latest = moment(place.rules.time.earliest), moment(place.rules.time.latest)
    longest = shifted(earliest, minutes=span.max_minutes)
    assert place.refused(at(**{span.start: earliest, end: longest})) == set()
    assert place.refused(at(**{span.start: earliest, end: shifted(longest, minutes=1)})) == {end}
    assert place.refused(at(**{span.start: earliest, end: earliest})) == {span.start}
    assert place.refused(at(**{span.start: shifted(latest, minutes=-2), end: latest})) == set()


def test_the_default_span_is_the_one_of_the_contract() -> None:
    (place,) = (one for one in PLACES if one.rules.time.HasField("span"))
    span = place.rules.time.span
    now = datetime(2026, 3, 11, 22, 0, tzinfo=UTC)
    found = validation.minutes(analytics_pb2.OrdersPerMinuteRequest(), now)
    assert found.limit - found.first == timedelta(minutes=span.default_minutes)


ENUMS = [pytest.param(one, id=f"{one.method}-{one.name}") for one in PLACES if one.field.enum_type is not None]


@pytest.mark.parametrize("place", ENUMS)
def test_enums_accept_the_values_that_the_contract_names(place: Place) -> None:
    named = {value.number for value in place.field.enum_type.values}
    assert {number: place.refused_with(number) for number in named} == {key: set() for key in named}
    assert place.refused_with(max(named) + 1) == {place.name}


def schema_of(place: Place) -> dict[str, Any]:
    """Return what the OpenAPI document says of a field, in the schemas of messages."""
    holder = place.field.containing_type
    name = holder.full_name.removeprefix(f"{holder.file.package}.")
    made: dict[str, Any] = OPENAPI["components"]["schemas"][name]
    return made["properties"][place.field.json_name] | {"required": place.field.json_name in made.get("required", [])}


@pytest.mark.parametrize("place", [pytest.param(one, id=f"{one.method}-{one.name}") for one in PLACES])
def test_the_openapi_document_has_the_same_limits(place: Place) -> None:
    made, rules = schema_of(place), place.rules
    kind = rules.WhichOneof("kind")
    assert made["required"] == place.required
    if kind == "items":
        assert (made["minItems"], made["maxItems"]) == (rules.items.min_items, rules.items.max_items)
    if kind == "number" and made["type"] != "string":
        lowest = min(0, rules.number.minimum) if rules.number.HasField("default_value") else rules.number.minimum
        assert (made["minimum"], made["maximum"]) == (lowest, rules.number.maximum)
        assert made.get("default", 0) == rules.number.default_value
    if kind == "number":
        assert f"{rules.number.minimum:,} to {rules.number.maximum:,}" in made["description"]
    if kind == "text" and rules.text.characters:
        assert (made["minLength"], made["maxLength"]) == (rules.text.min_length, rules.text.max_length)
        inside, outside = samples(rules.text)
        assert [text for text in inside if not re.search(made["pattern"], text)] == []
        short = [text for text in outside if len(text) <= rules.text.max_length]
        assert [text for text in short if re.fullmatch(made["pattern"], text)] == []
    if kind == "text" and rules.text.one_of:
        assert made["enum"] == list(rules.text.one_of)
    if kind == "text" and rules.text.format == TextRules.UUID:
        assert made["format"] == "uuid"
