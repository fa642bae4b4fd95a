"""POST /orders, one order a call, over a pool of keep-alive connections."""

import asyncio
import json
import re
from collections.abc import Sequence
from typing import Any

from loadgen.options import Target
from loadgen.transports.answers import ACCEPTED, BAD_REPLY, CONNECT_FAILED, TIMED_OUT, Answer, Outcome, classify
from loadgen.transports.http_connection import HttpConnection
from loadgen.transports.http_reply import HttpReply
from loadgen.workload import PlannedOrder
from runtime.grpc.client_tls import ClientTlsSettings
from runtime.identity.client_credential import AUTHORIZATION, bearer

SWEEP_SECONDS = 0.1
# A server that goes closes connections that ask for nothing while it drains (Envoy 15 s): a request on one of these can
# come too late, so they are closed before.
MAX_IDLE_SECONDS = 10.0
ORDER_ID = re.compile(rb'"orderId": ?"([0-9a-f-]{36})"')
ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"


class RestTransport:
    """Creates orders over REST; opens a connection when none is idle."""

    def __init__(self, target: Target, timeout_seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._tls = ClientTlsSettings.load().tls.context() if target.tls else None
        self._host, self._port = target.host, target.port
        credential = "" if target.credential is None else f"{AUTHORIZATION}: {bearer(target.credential)}\r\n"
        self._head = (
            f"POST /orders HTTP/1.1\r\nhost: {target.address}\r\nuser-agent: ordermesh-loadgen\r\n{credential}"
            "content-type: application/json\r\ncontent-length: "
        ).encode()
        self._timeout_seconds = timeout_seconds
        self._idle: list[HttpConnection] = []
        self._busy: set[HttpConnection] = set()
        self._sweeper = self._loop.call_later(SWEEP_SECONDS, self._sweep)

    async def send(self, orders: Sequence[PlannedOrder]) -> list[Answer]:
        """Send one order."""
        connection = self._take_idle()
        if connection is None:
            connected = await self._connect()
            if isinstance(connected, Answer):
                return [connected]
            connection = connected
        self._busy.add(connection)
        outcome = await connection.request(self._request(orders[0]))
        self._busy.discard(connection)
        if connection.usable:
            self._idle.append(connection)
        return [outcome if isinstance(outcome, Answer) else read_reply(outcome, orders[0])]

    async def close(self) -> None:
        """Close all connections."""
        self._sweeper.cancel()
        for connection in (*self._idle, *self._busy):
            connection.close()

    def _request(self, order: PlannedOrder) -> bytes:
        return b"%b%d\r\n\r\n%b" % (self._head, len(order.payload), order.payload)

    def _take_idle(self) -> HttpConnection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
        return None

    async def _connect(self) -> HttpConnection | Answer:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                _, connection = await self._loop.create_connection(
                    HttpConnection, self._host, self._port, ssl=self._tls
                )
        except TimeoutError:
            return Answer(Outcome.REFUSED, TIMED_OUT.kind)
        except OSError:
            return CONNECT_FAILED
        return connection

    def _sweep(self) -> None:
        """Expire requests past their timeout, and close connections that are not needed.

        Ten sweeps per second are cheaper than a timer per request.
        """
        now = self._loop.time()
        # The connection that was used last is used first, so that the first ones wait the longest.
        while self._idle and self._idle[0].started_at < now - MAX_IDLE_SECONDS:
            self._idle.pop(0).close()
        oldest = now - self._timeout_seconds
        for connection in [connection for connection in self._busy if connection.started_at < oldest]:
            connection.expire()
        self._sweeper = self._loop.call_later(SWEEP_SECONDS, self._sweep)


def read_reply(reply: HttpReply, order: PlannedOrder) -> Answer:
    """Return the answer for an HTTP response, and set the id of an accepted order."""
    if reply.status == 200:
        found = ORDER_ID.search(reply.body)
        if found is None:
            return BAD_REPLY
        order.order_id = found[1].decode()
        return ACCEPTED
    try:
        error = json.loads(reply.body)
        return classify(int(error["code"]), _reason_in(error))
    except (ValueError, TypeError, KeyError, AttributeError):
        refused = 400 <= reply.status < 500
        return Answer(
            Outcome.REFUSED if refused else Outcome.UNKNOWN, f"HTTP_{reply.status}", retryable=reply.status == 503
        )


def _reason_in(error: dict[str, Any]) -> str:
    reasons = (detail["reason"] for detail in error.get("details", ()) if detail["@type"] == ERROR_INFO)
    return str(next(reasons, ""))
