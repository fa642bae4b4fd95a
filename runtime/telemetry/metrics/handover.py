"""Files in which child processes hand their supervisor what the client library cannot share between processes."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runtime.telemetry.metrics.component_metric import CHILD_INDEX

MULTIPROCESS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


def folder() -> Path | None:
    """Return the folder that the processes of this service share, None where there is one process."""
    found = os.environ.get(MULTIPROCESS_FOLDER)
    return Path(found) if found else None


def is_child() -> bool:
    """Return whether this process is a child of a supervisor."""
    return bool(os.environ.get(CHILD_INDEX))


def put(shared: Path, kind: str, name: str, content: Any) -> None:
    """Write JSON into a file of this child, at once, so that none is read in part. Raises OSError."""
    final = f"{kind}-{os.environ[CHILD_INDEX]}-{name}"
    fresh = shared / f".{final}"
    fresh.write_text(json.dumps(content))
    fresh.rename(shared / final)


def found(kind: str) -> Iterator[Any]:
    """Yield what the children put for a kind, if this process is their supervisor; what is no JSON is left out."""
    shared = folder()
    for path in sorted(shared.glob(f"{kind}-*")) if shared and not is_child() else ():
        with contextlib.suppress(OSError, ValueError):
            yield json.loads(path.read_text())
