"""How long a stream goes on with the credentials that it was opened with.

A gateway sees callers, not keys, so that a revoked key ends the streams of everybody: clients resume with a key that is
valid, from the revision they have.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from gateway.backends import stack_socket
from runtime.process.shutdown import stops_within

POLL_SECONDS = 2.0


class StreamCredentials:
    """Tells streams that their clients have to show their credentials again."""

    def __init__(self, socket: str, seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        self._socket = socket
        self._seconds = seconds
        self._now = now
        self._revocations = self._announced = ""

    def begin(self) -> Callable[[], bool]:
        """Return what tells a stream that begins now, before each message, that its client is to show them again."""
        end, known = self._now() + self._seconds, self._revocations
        return lambda: self._now() >= end or self._revocations != known

    async def run(self, stop: asyncio.Event) -> None:
        """Ask the stack for the number of revocations until `stop`, if there is one to ask."""
        while True:
            if self._socket:
                await self.update()
            if await stops_within(stop, POLL_SECONDS):
                return

    async def update(self) -> None:
        """Ask once. A new number counts from the next time on: by then the front proxy accepts the key no more."""
        found = await stack_socket.ask(self._socket, "revocations")
        if found:
            self._revocations, self._announced = self._announced or found, found
