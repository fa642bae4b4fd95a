"""The bystander: a client with orders of its own over REST, whose latency and refusals a fault is measured by."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid

import aiohttp
from ordermesh.orders.v1 import orders_pb2

from faults.load.journal import BYSTANDER, CREATE, Call, Journal
from loadgen.transports.answers import Outcome, classify

INTERVAL_SECONDS = 0.1
TIMEOUT_SECONDS = 5.0
MOST_OPEN = 50
# Its stock is not tracked.
PRODUCT = "p101"


class Bystander:
    """Sends an order every INTERVAL_SECONDS, with one attempt for each."""

    def __init__(self, url: str, journal: Journal) -> None:
        self._url = f"{url}/orders"
        self._journal = journal

    async def run(self, stopping: threading.Event) -> None:
        """Send until asked to stop and every call has ended."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        limits = aiohttp.TCPConnector(limit=MOST_OPEN)
        async with aiohttp.ClientSession(timeout=timeout, connector=limits) as session, asyncio.TaskGroup() as calls:
            due = time.monotonic()
            while not stopping.is_set():
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                due += INTERVAL_SECONDS
                calls.create_task(self._order(session))

    async def _order(self, session: aiohttp.ClientSession) -> None:
        item = orders_pb2.OrderItem(product_id=PRODUCT, quantity=1, price=1)
        request = orders_pb2.CreateOrderRequest(customer_id=BYSTANDER, items=[item], request_id=str(uuid.uuid4()))
        call = self._journal.begin(Call(CREATE, request, time.monotonic(), by=BYSTANDER, attempts=1))
        body = {
            "customerId": BYSTANDER,
            "items": [{"productId": PRODUCT, "quantity": 1, "price": 1}],
            "requestId": request.request_id,
        }
        try:
            async with session.post(self._url, json=body) as reply:
                answer = await reply.json(content_type=None)
                if reply.status == 200:
                    call.outcome, call.kind, call.order_id = Outcome.ACCEPTED, "accepted", answer["orderId"]
                else:
                    reasons = [detail.get("reason", "") for detail in answer["details"]]
                    found = classify(answer["code"], reasons[0] if reasons else "")
                    call.outcome, call.kind = found.outcome, found.kind
        except (aiohttp.ClientConnectorError, ConnectionRefusedError):
            call.outcome, call.kind = Outcome.REFUSED, "connect_failed"
        except (OSError, aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError) as error:
            call.kind = type(error).__name__
        call.ended_at = time.monotonic()
