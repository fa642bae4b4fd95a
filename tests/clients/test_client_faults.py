"""The Python clients, blocking and asyncio, when calls fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import islice
from typing import Any

import grpc
import pytest
from faulty_server import TRACEPARENT, FaultyServer, refusal
from ordermesh_client import (
    NEVER,
    AsyncClient,
    Client,
    DeadlineExceeded,
    ErrorReason,
    OrderItem,
    OrdermeshError,
    Overloaded,
    PermissionDenied,
    RetryPolicy,
    Unauthenticated,
    Unavailable,
)

BOOK = [OrderItem(product_id="p1", quantity=1, price=1)]
QUICK = RetryPolicy(attempts=4, first_pause_seconds=0.001, longest_pause_seconds=0.002)
UNAVAILABLE = refusal(grpc.StatusCode.UNAVAILABLE)


def blocking(target: str, options: dict[str, Any], method: str, *arguments: object) -> object:
    with Client(target, **options) as client:
        return getattr(client, method)(*arguments)


def on_asyncio(target: str, options: dict[str, Any], method: str, *arguments: object) -> object:
    async def run() -> object:
        async with AsyncClient(target, **options) as client:
            return await getattr(client, method)(*arguments)

    return asyncio.run(run())


@pytest.fixture(params=[blocking, on_asyncio])
def call(request: pytest.FixtureRequest, faulty: FaultyServer) -> Callable[..., Any]:
    def run(method: str, *arguments: object, **options: Any) -> object:
        return request.param(faulty.target, {"retry": QUICK, **options}, method, *arguments)

    return run


def test_an_order_that_failed_twice_is_retried_with_the_same_request_id(faulty: FaultyServer, call: Callable[..., Any]):
    faulty.refusals.extend([UNAVAILABLE, UNAVAILABLE])
    assert call("create_order", "cust-1", BOOK).order_id == "o-1"
    assert len(faulty.request_ids) == 3
    assert len(set(faulty.request_ids)) == 1
    assert faulty.request_ids[0]


def test_two_orders_have_two_request_ids(faulty: FaultyServer, call: Callable[..., Any]):
    call("create_order", "cust-1", BOOK)
    call("create_order", "cust-1", BOOK)
    assert len(set(faulty.request_ids)) == 2


def test_after_the_last_attempt_the_last_error_is_raised_with_its_trace_id(
    faulty: FaultyServer, call: Callable[..., Any]
):
    faulty.refusals.extend([refusal(grpc.StatusCode.UNAVAILABLE, "OUTCOME_UNKNOWN")] * 9)
    with pytest.raises(Unavailable) as raised:
        call("create_order", "cust-1", BOOK)
    assert raised.value.reason == ErrorReason.OUTCOME_UNKNOWN
    assert raised.value.attempts == faulty.calls == 4
    assert raised.value.trace_id == TRACEPARENT.split("-")[1]


@pytest.mark.parametrize(
    ("code", "kind"),
    [(grpc.StatusCode.UNAUTHENTICATED, Unauthenticated), (grpc.StatusCode.PERMISSION_DENIED, PermissionDenied)],
)
def test_credentials_that_do_not_suffice_are_an_error_of_their_own_and_not_sent_again(
    faulty: FaultyServer, call: Callable[..., Any], code: grpc.StatusCode, kind: type[OrdermeshError]
):
    faulty.refusals.append(refusal(code, code.name))
    with pytest.raises(kind) as raised:
        call("create_order", "cust-1", BOOK)
    assert raised.value.reason == getattr(ErrorReason, code.name)
    assert (raised.value.attempts, faulty.calls) == (1, 1)


def test_retry_never_makes_one_attempt(faulty: FaultyServer, call: Callable[..., Any]):
    faulty.refusals.append(UNAVAILABLE)
    with pytest.raises(Unavailable):
        call("create_order", "cust-1", BOOK, retry=NEVER)
    assert faulty.calls == 1


def test_an_overloaded_call_is_retried_after_the_delay_that_was_asked_for(
    faulty: FaultyServer, call: Callable[..., Any]
):
    faulty.refusals.append(refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", retry_ms=5))
    call("create_order", "cust-1", BOOK)
    assert faulty.calls == 2


def test_a_retry_delay_beyond_the_deadline_fails_at_once(faulty: FaultyServer, call: Callable[..., Any]):
    faulty.refusals.append(refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", retry_ms=60_000))
    with pytest.raises(Overloaded) as raised:
        call("create_order", "cust-1", BOOK)
    assert raised.value.retry_after_seconds == 60
    assert faulty.calls == 1


def test_a_call_without_a_response_ends_at_its_deadline_and_is_not_retried(
    faulty: FaultyServer, call: Callable[..., Any]
):
    faulty.silent = True
    with pytest.raises(DeadlineExceeded):
        call("create_order", "cust-1", BOOK, timeout_seconds=0.2)
    assert faulty.calls == 1


CHANGES = {
    "create_order": ("cust-1", BOOK),
    "create_product": ("p-new", "New", 1.0),
    "restock_product": ("p-new", 1),
    "cancel_order": ("o-1",),
    "complete_payment": ("o-1",),
    "ship_order": ("o-1",),
}


@pytest.mark.parametrize("method", CHANGES)
@pytest.mark.parametrize("reason", ["", "DATABASE_UNAVAILABLE", "OUTCOME_UNKNOWN"])
def test_a_call_that_changes_something_is_retried_with_the_same_request_id(
    faulty: FaultyServer, call: Callable[..., Any], method: str, reason: str
):
    faulty.refusals.append(refusal(grpc.StatusCode.UNAVAILABLE, reason, retry_ms=1))
    call(method, *CHANGES[method])
    assert len(faulty.request_ids) == 2
    assert len(set(faulty.request_ids)) == 1
    assert faulty.request_ids[0]


@pytest.mark.parametrize("method", [name for name in CHANGES if name != "create_order"])
def test_a_given_request_id_is_sent(faulty: FaultyServer, call: Callable[..., Any], method: str):
    with Client(faulty.target) as client:
        getattr(client, method)(*CHANGES[method], request_id="given")
    assert faulty.request_ids == ["given"]


def test_an_unknown_reason_is_available_by_name(faulty: FaultyServer, call: Callable[..., Any]):
    faulty.refusals.append(refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "ADDED_LATER"))
    with pytest.raises(Overloaded) as raised:
        call("create_order", "cust-1", BOOK)
    assert raised.value.reason == ErrorReason.ERROR_REASON_UNSPECIFIED
    assert raised.value.reason_name == "ADDED_LATER"


def test_a_target_without_a_server_is_unavailable(call: Callable[..., Any]):
    with Client("127.0.0.1:1", retry=QUICK) as client, pytest.raises(Unavailable):
        client.sales_summary()


def test_watching_resumes_after_a_lost_connection(faulty: FaultyServer):
    with Client(faulty.target, retry=QUICK) as client:
        assert [update.revision for update in islice(client.watch_status(), 6)] == [1, 2, 1, 2, 1, 2]


def test_watching_orders_resumes_after_the_last_revision(faulty: FaultyServer):
    with Client(faulty.target, retry=QUICK) as client:
        assert [update.revision for update in islice(client.watch_orders(), 5)] == ["1", "2", "3", "4", "5"]


async def test_watching_on_asyncio_resumes_after_a_lost_connection(faulty: FaultyServer):
    revisions: list[int] = []
    async with AsyncClient(faulty.target, retry=QUICK) as client:
        async for update in client.watch_status():
            revisions.append(update.revision)
            if len(revisions) == 4:
                break
    assert revisions == [1, 2, 1, 2]
