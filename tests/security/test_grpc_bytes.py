"""Any bytes as the request of any RPC, through the front proxy: a named code, and no service fails or grows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from authorisation import CALL_SECONDS, METHODS
from front_proxy import Platform
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import fuzzed
from ordermesh.orders.v1.orders_pb2 import BatchCreateOrdersRequest, CreateOrderRequest, OrderItem

Status = grpc.StatusCode
SERVICES = ("orders", "analytics", "gateway")
CASES_OF_A_METHOD = 20
ORDER = CreateOrderRequest(customer_id="fuzz", items=[OrderItem(product_id="p1", quantity=1, price=1)])
# A request with every field set makes mutations that reach each of them.
VALID = {"CreateOrder": ORDER, "BatchCreateOrders": BatchCreateOrdersRequest(requests=[ORDER, ORDER])}
# A watch that is accepted has no end; a caller that gives up is answered so.
WATCH_SECONDS = 0.2


@pytest.fixture(scope="module")
def channel(platform: Platform) -> Iterator[grpc.Channel]:
    with platform.stack.channel() as channel:
        yield channel


def valid(method: MethodDescriptor) -> bytes:
    """Return a request that the method can read, with its text fields set."""
    known = VALID.get(method.name)
    if known is None:
        known = GetMessageClass(method.input_type)()
        for field in method.input_type.fields:
            if field.type == field.TYPE_STRING and not field.is_repeated:
                setattr(known, field.name, "01a20cb6-cbaa-7da2-9fb8-b87552120958")
    data: bytes = known.SerializeToString()
    return data


def code_of(channel: grpc.Channel, method: MethodDescriptor, data: bytes) -> grpc.StatusCode:
    """Send bytes as a request and return the code; a stream is left after its first message."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    try:
        if not method.server_streaming:
            channel.unary_unary(path)(data, timeout=CALL_SECONDS)
            return Status.OK
        call = channel.unary_stream(path)(data, timeout=WATCH_SECONDS)
        next(call, None)
        call.cancel()
    except grpc.RpcError as error:
        return error.code()
    return Status.OK


def resident_bytes(platform: Platform) -> dict[str, int]:
    """Return the memory of each service with its processes."""
    return {
        name: sum(resident(pid) for pid in (platform.stack.pid(name), *platform.stack.children(name)))
        for name in SERVICES
    }


def resident(pid: int) -> int:
    """Return the resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def pids(platform: Platform) -> dict[str, list[int]]:
    """Return the processes of each service."""
    return {name: [platform.stack.pid(name), *platform.stack.children(name)] for name in SERVICES}


def send_to_each(platform: Platform, channel: grpc.Channel, data: bytes) -> dict[str, grpc.StatusCode]:
    """Send the bytes to every RPC and return the codes."""
    return {method.full_name: code_of(channel, method, data) for method in METHODS}


def test_no_bytes_make_a_service_fail_or_grow(platform: Platform, channel: grpc.Channel) -> None:
    for data in (b"", b"\xff" * 64):
        send_to_each(platform, channel, data)
    running, memory = pids(platform), resident_bytes(platform)

    @settings(max_examples=CASES_OF_A_METHOD * len(METHODS), derandomize=True, suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def fuzz(data: st.DataObject) -> None:
        method = data.draw(st.sampled_from(METHODS))
        sent = data.draw(fuzzed(valid(method)))
        assert code_of(channel, method, sent) not in {Status.INTERNAL, Status.UNKNOWN, Status.UNAVAILABLE}, method.name

    fuzz()
    assert pids(platform) == running
    after = resident_bytes(platform)
    assert {name for name in SERVICES if after[name] > 1.25 * memory[name]} == set(), (memory, after)
    assert "Traceback" not in "".join(log.read_text() for log in platform.stack.context.state.logs.glob("*.log"))
