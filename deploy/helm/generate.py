"""Writes what the chart takes from elsewhere into deploy/helm/ordermesh/files; `--check` says whether it is current.

Helm reads no file outside of a chart. Each has its one source in the code or in deploy/.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from frontdoor.filters.authentication import keys_resource

from runtime.kafka import access, topics

ROOT = Path(__file__).parents[2]
FILES = Path(__file__).parent / "ordermesh" / "files"
# What the templates replace.
OPERATOR_KEY = "OPERATOR_KEY"


def copied(path: str) -> Callable[[], str]:
    """Return what reads a file of the repository."""
    return (ROOT / path).read_text


def keys() -> str:
    """Return Envoy's file of keys with one key, that of an operator."""
    return json.dumps(keys_resource({OPERATOR_KEY: "operator:operator"}), indent=1) + "\n"


def kafka_access() -> str:
    """Return the topics, and the grants of each user; without topics they are for the consumer group."""
    grants: dict[str, list[dict[str, Any]]] = {user: [] for user in access.USERS}
    for grant in access.GRANTS:
        grants[grant.user].append({"operations": list(grant.operations), "topics": list(grant.topics)})
    configs = dict.fromkeys(topics.DEAD_LETTER_TOPICS.values(), topics.DEAD_LETTER_CONFIG)
    known = {"topics": {name: configs.get(name, {}) for name in access.TOPICS}, "grants": grants}
    return json.dumps(known, indent=1) + "\n"


SOURCES: dict[str, Callable[[], str]] = {
    "postgres-init.sh": copied("deploy/compose/postgres-init.sh"),
    "log4j2.xml": copied("stack/servers/kafka/log4j2.xml"),
    "prometheus-rule.yaml": copied("deploy/prometheus/cluster/prometheus-rule.yaml"),
    "service-monitors.yaml": copied("deploy/prometheus/cluster/service-monitors.yaml"),
    "keys.json": keys,
    "kafka-access.json": kafka_access,
}


def main() -> int:
    """Write or check the files."""
    parser = argparse.ArgumentParser(description="Write the files that the chart takes from elsewhere.")
    parser.add_argument("--check", action="store_true", help="say whether they are current")
    check = parser.parse_args().check
    stale = [name for name, source in SOURCES.items() if not is_current(FILES / name, source())]
    stale += [path.name for path in FILES.iterdir() if path.name not in SOURCES]
    if check:
        for name in stale:
            print(f"stale: {name}; run {sys.executable} deploy/helm/generate.py", file=sys.stderr)
        return 1 if stale else 0
    for name, source in SOURCES.items():
        (FILES / name).write_text(source())
    return 0


def is_current(path: Path, text: str) -> bool:
    """Return whether a file has the text."""
    return path.exists() and path.read_text() == text


if __name__ == "__main__":
    sys.exit(main())
