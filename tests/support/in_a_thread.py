"""Work that goes on in a thread while a block runs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def in_a_thread(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Do work within the block; at its end the event that the work gets is set, and the work is waited for."""
    over = threading.Event()
    thread = threading.Thread(target=work, args=(over,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
