"""Ends the time of API keys while a stack runs."""

from __future__ import annotations

import threading

from stack.errors import SettingInvalid
from stack.identity.key_registry import KeyRegistry

INTERVAL_SECONDS = 1.0


class KeyExpiry:
    """Removes keys whose time is over, in a thread of its own."""

    def __init__(self, registry: KeyRegistry) -> None:
        self._registry = registry
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="key-expiry", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread; blocks until it has ended."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(INTERVAL_SECONDS):
            try:
                self._registry.drop_expired()
            except (SettingInvalid, OSError):
                # `ordermesh keys` reports it; on a full disk the next attempt may succeed.
                continue
