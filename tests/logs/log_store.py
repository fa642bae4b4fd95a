"""An OpenSearch as `ordermesh up --logs` starts it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack.machine.ports import LOOPBACK
from stack.observe.logs.store import Store
from stack.processes.runners import Service

# It takes 25 s of CPU.
START_SECONDS = 240


@dataclass(frozen=True)
class LogStore:
    """An OpenSearch, and the folder of the certificate with which it is asked."""

    server: Service
    store: Store
    certificate: Path

    @property
    def address(self) -> str:
        return f"https://{LOOPBACK}:{self.store.port}"

    def ask(self, method: str, path: str, body: object = None) -> Any:
        return self.store.ask(method, path, body)

    def start(self) -> None:
        self.server.start()
        self.server.wait_ready(START_SECONDS)
