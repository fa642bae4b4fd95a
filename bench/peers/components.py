"""The publishers and consumers of peers: programs, and their settings, which the result records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Component:
    """A program of a peer, which runs as one process."""

    name: str
    module: str
    settings: Mapping[str, int]

    @property
    def env(self) -> dict[str, str]:
        """The settings as environment variables."""
        return {f"PEER_{name.upper()}": str(value) for name, value in self.settings.items()}


POLLER = Component("poller", "bench.peers.programs.poller", {"batch_events": 50, "idle_ms": 50})
# As in procrastinate's documentation.
QUEUE = Component("procrastinate", "bench.peers.programs.queue_worker", {"concurrency": 30})
CONSUMER = Component("consumer", "bench.peers.programs.consumer", {"batch_events": 1})
FASTSTREAM = Component("FastStream", "bench.peers.programs.faststream_consumer", {"batch_events": 1})
# The default max.poll.records of Kafka's Java consumer.
FASTSTREAM_BATCHES = Component("FastStream, batches", "bench.peers.programs.faststream_consumer", {"batch_events": 500})
