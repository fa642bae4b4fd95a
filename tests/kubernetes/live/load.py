"""Orders from outside the cluster, through its front door, at a constant rate, until a test says enough."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from waiting import await_true

ENDING_SECONDS = 120


class Load:
    """A running load generator. Without retries, each request that fails is a failed order."""

    def __init__(
        self,
        url: str,
        key: str,
        rate: int,
        folder: Path,
        *,
        retries: int = 0,
        timeout: str = "10s",
        authority: Path | None = None,
    ) -> None:
        """`authority` is that of the certificate at the front, the system's by default."""
        self._result = folder / "load.json"
        self._said = folder / "load.log"
        words = ["--target", url, "--rate", str(rate), "--duration", "1h", "--no-exclusive"]
        words += ["--retries", str(retries), "--timeout", timeout]
        trust = {} if authority is None else {"ORDERMESH_CA_FILE": str(authority)}
        with self._said.open("w") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "loadgen", *words, "--output", str(self._result)],
                stdout=said,
                stderr=said,
                env={**os.environ, "ORDERMESH_API_KEY": key, **trust},
            )
        await_true(self._is_sending, lambda: f"orders are sent: {self._said.read_text()[-2000:]}")

    def _is_sending(self) -> bool:
        assert self._process.poll() is None, self._said.read_text()[-2000:]
        return "accepted" in self._said.read_text()

    def accepted(self) -> int:
        """Return how many orders were accepted, as it was said last."""
        return int(re.findall(r"accepted ([\d,]+)", self._said.read_text())[-1].replace(",", ""))

    def finish(self) -> dict[str, Any]:
        """End the load, let it reconcile, and return its result (loadgen/README.md)."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(ENDING_SECONDS)
        result: dict[str, Any] = json.loads(self._result.read_text())
        return result

    def finish_without_failure(self) -> dict[str, Any]:
        """End the load, of which no request failed and each order was counted once, and return its result."""
        result = self.finish()
        assert (result["orders"]["failed"], result["errors"]) == (0, {}), result
        assert result["reconciliation"]["verdict"] == "AGREES", result
        return result

    def kill(self) -> None:
        """End it in any case."""
        self._process.kill()
        self._process.wait()
