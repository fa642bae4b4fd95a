"""Work for supervised processes: `python -m child_services` with the work's name."""

import os
import signal
import sys
import threading
from pathlib import Path

from runtime.process.child import run_child
from runtime.telemetry import metrics


def note(index: int) -> None:
    """Write this process's id into a file of its own, whole or not at all."""
    folder = Path(os.environ["TEST_FOLDER"])
    fresh = folder / f"new-{index}"
    fresh.write_text(str(os.getpid()))
    fresh.rename(folder / f"child-{index}-{os.getpid()}")


def waits(index: int) -> None:
    """Work until asked to finish, and tell that it finished."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    note(index)
    stop.wait()
    (Path(os.environ["TEST_FOLDER"]) / f"finished-{index}").touch()


def counts(index: int) -> None:
    """Count this process as one replayed request, and wait."""
    metrics.create("orders")
    metrics.REQUESTS_REPLAYED.inc()
    waits(index)


def deaf(index: int) -> None:
    """Never finish."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    note(index)
    threading.Event().wait()


if __name__ == "__main__":
    run_child({"waits": waits, "deaf": deaf, "counts": counts}[sys.argv[1]])
