"""A worker that a record crashes, as a fault in a library might."""

import os
import resource

from processor import worker
from processor.events import batch
from processor.events.decode import decode
from processor.events.event import Event, EventWindow, Rejection
from runtime.process.child import run_child

FATAL = b"ends the process"


def fatal_decode(topic: str, key: bytes | None, value: bytes | None, window: EventWindow) -> Event | Rejection:
    """Decode, or crash as a segmentation fault does."""
    if value == FATAL:
        os.abort()
    return decode(topic, key, value, window)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    batch.decode = fatal_decode  # type: ignore[attr-defined]
    run_child(worker.run)
