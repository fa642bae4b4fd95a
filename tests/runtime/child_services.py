"""Work for supervised processes: module functions, since they are started by name."""

import os
import signal
import threading
from pathlib import Path


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


def deaf(index: int) -> None:
    """Never finish."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    note(index)
    threading.Event().wait()
