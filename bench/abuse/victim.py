"""The victim: another client that creates orders and reads at a steady rate while an attack runs."""

from __future__ import annotations

import http.client
import json
import threading
import time
from dataclasses import dataclass, field

RATE_PER_SECOND = 40
# Every fifth request comes on a new connection: who is locked out notices only then.
NEW_CONNECTION_EVERY = 5
TIMEOUT_SECONDS = 5.0
ORDER = json.dumps({"customerId": "cust-victim", "items": [{"productId": "p1", "quantity": 1, "price": 10}]})
SOURCE = "127.0.0.1"


@dataclass
class Answers:
    """The latencies in milliseconds of what succeeded, from the time at which it was due, and what failed."""

    latencies_ms: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def percentile(self, share: float) -> float:
        """Return the latency below which a share from 0 to 1 of the answers lies."""
        known = sorted(self.latencies_ms)
        return round(known[min(len(known) - 1, int(share * len(known)))], 2) if known else float("nan")


class Victim:
    """Sends requests in threads of its own, one connection each, until it is stopped."""

    def __init__(self, port: int, threads: int = 4, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._port = port
        self._timeout_seconds = timeout_seconds
        self._threads = threads
        self._stop = threading.Event()
        self._running: list[threading.Thread] = []
        self.answers = Answers()

    def __enter__(self) -> Victim:
        begin = time.monotonic()
        for number in range(self._threads):
            thread = threading.Thread(target=self._run, args=(number, begin), daemon=True)
            self._running.append(thread)
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        for thread in self._running:
            thread.join()

    def _run(self, number: int, begin: float) -> None:
        interval = self._threads / RATE_PER_SECOND
        due = begin + number * interval / self._threads
        connection = self._connect()
        count = 0
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            if count % NEW_CONNECTION_EVERY == 0:
                connection.close()
                connection = self._connect()
            try:
                self._ask(connection, count)
                self.answers.latencies_ms.append((time.monotonic() - due) * 1000)
            except (OSError, http.client.HTTPException) as error:
                self.answers.failures.append(f"{type(error).__name__}: {error}")
                connection.close()
            count += 1
            due = max(due + interval, time.monotonic() - self._timeout_seconds)
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection, count: int) -> None:
        if count % 2:
            connection.request("GET", "/orders?pageSize=10")
        else:
            connection.request("POST", "/orders", ORDER, {"content-type": "application/json"})
        reply = connection.getresponse()
        reply.read()
        if reply.status != 200:
            raise http.client.HTTPException(f"status {reply.status}")

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(SOURCE, self._port, timeout=self._timeout_seconds)
