"""The pages about clients and certificates, on a platform with TLS and keys: the alarm is caused, and ends."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator

import grpc
import pytest
from in_a_thread import in_a_thread
from operator_desk import Operator, operator_without_load
from ordermesh.orders.v1 import orders_pb2, orders_pb2_grpc

from runtime.identity.client_credential import call_metadata
from stack.certificates.certificate_folder import CertificateFolder

pytestmark = [pytest.mark.long, pytest.mark.timeout(800)]
LIMIT_PER_SECOND = 5
BETWEEN_CALLS_SECONDS = 0.02
CUSTOMER = "cust-flood"


@pytest.fixture(scope="module")
def guarded() -> Iterator[Operator]:
    with operator_without_load(tls="on", auth="keys", customer_rate_limit_per_second=LIMIT_PER_SECOND) as desk:
        yield desk


def test_certificate_expires(guarded: Operator) -> None:
    """Somebody issued the certificate for two days only."""
    guarded.shell.run("ordermesh certs renew front --days 2")
    guarded.handle("OrdermeshCertificateExpires", "machine/certificate-expires.md", labels={"severity": "critical"})


@contextlib.contextmanager
def flood(desk: Operator, key: str) -> Iterator[None]:
    """Let a client call far above its limit."""
    stack = desk.world.stack
    authority = CertificateFolder(stack.context.state.certificates).authority_file.read_bytes()
    item = orders_pb2.OrderItem(product_id="p1", quantity=1, price=1)
    request = orders_pb2.CreateOrderRequest(customer_id=CUSTOMER, items=[item])

    def call(over: threading.Event) -> None:
        with grpc.secure_channel(stack.grpc, grpc.ssl_channel_credentials(authority)) as channel:
            stub = orders_pb2_grpc.OrderServiceStub(channel)
            while not over.wait(BETWEEN_CALLS_SECONDS):
                with contextlib.suppress(grpc.RpcError):
                    stub.CreateOrder(request, timeout=20, metadata=call_metadata(key))

    with in_a_thread(call):
        yield


def test_calls_refused(guarded: Operator) -> None:
    """A client calls above its rate limit until its key is revoked."""
    made = guarded.shell.run(f"ordermesh keys create --role customer --subject {CUSTOMER}")
    (key,) = re.findall(r"om_[\w-]{43}", made)
    (key_id,) = re.findall(rf"(\S+) +customer +{CUSTOMER}", guarded.shell.run("ordermesh keys list"))
    with flood(guarded, key):
        guarded.handle("OrdermeshCallsRefused", "platform/calls-refused.md", KEY_ID=key_id)
