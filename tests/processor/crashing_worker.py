"""A worker of the processor that a record ends: what some library does with some bytes, made certain."""

import os
import resource

from processor import worker
from processor.events import batch
from processor.events.decode import Event, Poison, decode
from runtime.process.child import run_child

FATAL = b"ends the process"


def fatal_decode(topic: str, key: bytes | None, value: bytes | None, oldest_event_id: str) -> Event | Poison:
    """Decode, or end as a segmentation fault does."""
    if value == FATAL:
        os.abort()
    return decode(topic, key, value, oldest_event_id)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    batch.decode = fatal_decode  # type: ignore[attr-defined]
    run_child(worker.run)
