"""The id of the local Kafka cluster: created once, and compared with the one that a broker's folder has."""

from __future__ import annotations

import base64
import re
import threading
import uuid
from pathlib import Path

from stack.machine.files import write_private

_id_lock = threading.Lock()


def cluster_id(path: Path) -> str:
    """Return the cluster id in a file, which is created when it is missing."""
    # The brokers of a cluster start concurrently and must agree.
    with _id_lock:
        if not path.exists():
            write_private(path, f"{new_cluster_id()}\n")
        return path.read_text().strip()


def new_cluster_id() -> str:
    """Return a random cluster id without a leading dash, which Kafka's tools would parse as an option."""
    while True:
        made = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not made.startswith("-"):
            return made


def stored_cluster_id(data: Path) -> str | None:
    """Return the id of the cluster that a folder is formatted for, None when it is not formatted."""
    path = data / "meta.properties"
    if not path.exists():
        return None
    found = re.search(r"^cluster\.id=(.*)$", path.read_text(), re.MULTILINE)
    return found[1].strip() if found else None
