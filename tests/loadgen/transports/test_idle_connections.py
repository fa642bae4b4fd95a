"""Connections of the load generator that nothing needs: a server that goes must not be asked on them."""

from __future__ import annotations

import asyncio

import pytest
from waiting import until_true

from loadgen.options import Target
from loadgen.transports import rest
from loadgen.transports.rest import RestTransport
from loadgen.workload import PlannedOrder

REPLY = b"HTTP/1.1 503 X\r\ncontent-length: 0\r\n\r\n"
ORDER = PlannedOrder(b"{}", "cust-1", 100)


class Server:
    """Answers each request, the first ones only once so many have come; knows its open connections."""

    def __init__(self, together: int) -> None:
        self._wanted = together
        self._all_there = asyncio.Event()
        self._requests = 0
        self.open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        while await reader.read(65_536):
            self._requests += 1
            if self._requests >= self._wanted:
                self._all_there.set()
            await self._all_there.wait()
            writer.write(REPLY)
        self.open -= 1
        writer.close()


async def test_connections_that_wait_longer_than_a_server_drains_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "MAX_IDLE_SECONDS", 0.5)
    server = Server(together=3)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    transport = RestTransport(Target("127.0.0.1", port), 20)
    await asyncio.gather(*(transport.send([ORDER]) for _ in range(3)))
    assert server.open == 3

    async def one_is_left() -> bool:
        await transport.send([ORDER])
        return server.open == 1

    await until_true(one_is_left, "only the connection that is used is left")
    await transport.close()
    listening.close()
