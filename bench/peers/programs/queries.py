"""The named queries of the peers, whose environment lacks the packages of the project."""

from __future__ import annotations

import re
from pathlib import Path

HEAD = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def load() -> dict[str, str]:
    """Return the queries by name."""
    parts = HEAD.split(Path(__file__).with_name("peers.sql").read_text())
    return {name: text.strip().rstrip(";") for name, text in zip(parts[1::2], parts[2::2], strict=True)}


QUERIES = load()
