"""What the fast lane must hold; through the production configuration of Envoy."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable

import grpc
import pytest
from envoy_admin import from_admin
from grpc_status import rpc_status
from lane_load import (
    Amounts,
    cancel_storm,
    checked_calls,
    resident_bytes,
    send_bomb,
    send_without_end,
    steady_calls,
)
from ordermesh.orders.v1.errors_pb2 import ErrorReason

from runtime.errors import InvalidRequest, Overloaded, ServiceError, Violation
from runtime.grpc.error_mapping import to_status
from stack.running_stack import RunningStack

MIB = 1024 * 1024
# grpcio itself takes 115 MiB for a message that unpacks to more than its limit.
BOMB_MIB = 160
FLAT_MIB = 24
EVEN_RATE = 100


async def beside_steady_calls(target: str, work: Callable[[], Awaitable[object]]) -> Counter[str]:
    """Do something while another client calls at an even rate; return how its calls ended."""
    stop = asyncio.Event()
    steady = asyncio.create_task(steady_calls(target, EVEN_RATE, stop))
    try:
        await work()
    finally:
        stop.set()
    return await steady


async def test_each_of_many_replies_belongs_to_its_call(lane_stack: RunningStack, amounts: Amounts) -> None:
    wrong, orders = await checked_calls(lane_stack.grpc, amounts.checked_calls)
    assert (wrong, orders) == (0, amounts.checked_calls)


async def test_a_message_that_unpacks_to_hundreds_of_megabytes_takes_little_memory(lane_stack: RunningStack) -> None:
    before = resident_bytes(lane_stack)
    code = await send_bomb(lane_stack.grpc, 256 * MIB - 64)
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert resident_bytes(lane_stack) - before < BOMB_MIB * MIB


async def test_a_body_without_end_is_cut_at_the_front_proxy(lane_stack: RunningStack) -> None:
    before = resident_bytes(lane_stack)
    code, sent_bytes = await send_without_end(lane_stack.grpc)
    assert code != grpc.StatusCode.OK
    assert sent_bytes < 16 * MIB
    assert resident_bytes(lane_stack) - before < FLAT_MIB * MIB


async def test_a_storm_of_cancelled_calls_fails_nobody_else(lane_stack: RunningStack, amounts: Amounts) -> None:
    cancelled = 0

    async def storm() -> None:
        nonlocal cancelled
        cancelled = await cancel_storm(lane_stack.grpc, amounts.storm_seconds, amounts.cancels_per_second)

    outcomes = await beside_steady_calls(lane_stack.grpc, storm)
    assert cancelled > 0
    assert set(outcomes) == {"OK"}, outcomes


async def test_a_rolling_restart_fails_no_call(lane_stack: RunningStack) -> None:
    async def restart_each() -> None:
        for pid in lane_stack.children("orders"):
            os.kill(pid, signal.SIGTERM)
            await asyncio.to_thread(await_replaced, lane_stack, pid)

    outcomes = await beside_steady_calls(lane_stack.grpc, restart_each)
    assert set(outcomes) == {"OK"}, outcomes
    assert outcomes["OK"] > EVEN_RATE


def await_replaced(stack: RunningStack, pid: int) -> None:
    """Block until a serving process is gone, another is in its place, and Envoy calls both lanes healthy."""
    count = stack.context.settings.orders_processes
    stack.wait_until(
        lambda: pid not in stack.children("orders") and len(stack.children("orders")) == count, 30, "a new process"
    )
    stack.wait_until(lambda: healthy_lanes(stack) == count, 30, "Envoy trusts the new process")


def healthy_lanes(stack: RunningStack) -> int:
    """Return how many lanes Envoy calls healthy."""
    lines = from_admin(stack.context.envoy_admin, "/clusters").splitlines()
    return sum(line.startswith("orders-lane::") and line.endswith("::health_flags::healthy") for line in lines)


async def test_memory_stays_flat_over_many_calls(lane_stack: RunningStack, amounts: Amounts) -> None:
    half = amounts.memory_calls // 2
    await checked_calls(lane_stack.grpc, half)
    settled = resident_bytes(lane_stack)
    await checked_calls(lane_stack.grpc, half)
    assert resident_bytes(lane_stack) - settled < FLAT_MIB * MIB


@pytest.mark.parametrize(
    "error",
    [InvalidRequest([Violation("Field", "Is Wrong")]), Overloaded(), ServiceError(ErrorReason.INTERNAL_FAULT, "Fault")],
)
def test_no_key_of_the_metadata_that_errors_carry_can_leave_a_call_unanswered(error: ServiceError) -> None:
    for key, _ in rpc_status.to_status(to_status(error)).trailing_metadata:
        assert key == key.lower()
