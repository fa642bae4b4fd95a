"""What goes wrong, and how often: each seed draws the kinds and their rates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulated.scheduler import Scheduler

if TYPE_CHECKING:
    from simulated.postgres.connection import Connection

# The greatest rate of each kind, per opportunity.
KINDS = {
    # A process: killed and started again; stopped for a while, as by SIGSTOP.
    "kills": 0.01,
    "stalls": 0.01,
    # A connection to the database: broken before or after a statement; answers and commits that take long.
    "broken connections": 0.01,
    "lost answers": 0.02,
    "slow answers": 0.3,
    "slow commits": 0.1,
    # Kafka: away for a while; an acknowledgement that is late; what a closed producer had sent arrives nevertheless.
    "outages": 0.004,
    "late acknowledgements": 0.3,
    "late arrivals": 0.7,
    # Consumers: thrown out of the group; in a state in which they cannot seek; offsets that are not stored.
    "expulsions": 0.006,
    "refused seeks": 0.3,
    "lost offsets": 0.3,
    # Events that Kafka refuses until an operator has changed a limit; records of strangers.
    "refusals": 0.15,
    "garbage": 0.004,
}
# Most seeds have some kinds and not others, so that none hides what another would show.
SHARE = 0.6


class Faults:
    """The faults of a run; none after `end`."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        draw = scheduler.random
        self.rates = {kind: draw.random() * most if draw.random() < SHARE else 0.0 for kind, most in KINDS.items()}
        self.sessions: list[Connection] = []

    def happens(self, kind: str) -> bool:
        """Return whether a fault of a kind happens now."""
        rate = self.rates[kind]
        return rate > 0 and self._scheduler.random.random() < rate

    def end(self) -> None:
        """Let nothing go wrong from now on."""
        self.rates = dict.fromkeys(self.rates, 0.0)

    def end_idle_transactions(self) -> None:
        """End the sessions whose transaction is idle for too long."""
        for session in self.sessions[:]:
            if session.is_idle_in_transaction(self._scheduler.now):
                session.end()
