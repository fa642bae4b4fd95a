"""The journal of the clients: each call with what the client was told, by the monotonic clock."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from loadgen.transports.answers import Outcome

CREATE, PAY, SHIP, CANCEL, RESTOCK = "CreateOrder", "CompletePayment", "ShipOrder", "CancelOrder", "RestockProduct"
BYSTANDER = "bystander"


@dataclass(slots=True, eq=False)
class Call:
    """One call with all its attempts. Without an answer that says otherwise its outcome is unknown."""

    method: str
    # A message of the contracts; its request_id is the same in all attempts.
    request: Any
    started_at: float
    by: str = "customer"
    outcome: Outcome = Outcome.UNKNOWN
    # What refused it or remained unclear: the code with the reason.
    kind: str = ""
    order_id: str = ""
    attempts: int = 0
    # How attempts ended that were not accepted.
    refusals: list[str] = field(default_factory=list)
    ended_at: float = 0.0

    @property
    def accepted(self) -> bool:
        """Whether the client was told that it is done."""
        return self.outcome is Outcome.ACCEPTED

    @property
    def request_id(self) -> str:
        """The idempotency key."""
        return str(self.request.request_id)


@dataclass
class Journal:
    """All calls in the order in which they began, and answers that contradict each other."""

    calls: list[Call] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    # Orders due that were not sent, because too many calls were open.
    not_sent: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, call: Call) -> Call:
        """Add a call."""
        with self._lock:
            self.calls.append(call)
        return call

    def contradiction(self, text: str) -> None:
        """Add an answer that contradicts an earlier one."""
        with self._lock:
            self.wrong.append(text)

    def since(self, moment: float) -> Sequence[Call]:
        """Return the calls that began after a moment."""
        with self._lock:
            return [call for call in self.calls if call.started_at >= moment]


def outcomes(calls: Iterable[Call]) -> dict[str, Outcome]:
    """Return the outcome by request id: accepted if one call was, refused only if every call was."""
    found: dict[str, Outcome] = {}
    for call in calls:
        known = found.get(call.request_id, Outcome.REFUSED)
        if call.accepted or known is Outcome.ACCEPTED:
            found[call.request_id] = Outcome.ACCEPTED
        elif call.outcome is Outcome.UNKNOWN or known is Outcome.UNKNOWN:
            found[call.request_id] = Outcome.UNKNOWN
        else:
            found[call.request_id] = Outcome.REFUSED
    return found


def kinds(calls: Iterable[Call]) -> Counter[str]:
    """Return how often calls ended with what, other than accepted."""
    return Counter(call.kind for call in calls if not call.accepted)
