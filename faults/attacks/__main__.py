"""Runs one attack: `python -m faults.attacks NAME --front PORT --metrics PORT`; prints its counts as JSON."""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from faults.attacks import bodies, connections, oversize, streams
from faults.attacks.target import Attack, Target

ATTACKS: Mapping[str, Attack] = {
    attack.__name__.replace("_", "-"): attack
    for attack in (
        bodies.empty_lines,
        bodies.empty_lines_rest,
        bodies.slow_batches,
        bodies.slow_orders,
        bodies.nested_json,
        bodies.unknown_fields,
        streams.unread_pages,
        streams.unread_lists,
        streams.status_streams,
        streams.order_watches,
        streams.metric_watches,
        streams.health_watches,
        streams.reflections,
        streams.rapid_reset,
        connections.idle_connections,
        connections.answered_and_idle,
        connections.half_open_headers,
        connections.half_open_metrics,
        oversize.continuation_flood,
        oversize.large_headers,
        oversize.large_bodies,
    )
}
LOOPBACK = "127.0.0.1"
LEAST_PRIORITY = 19
# Where Linux ranks sessions among each other: a nice value then counts within its session only.
SESSION_PRIORITY = Path("/proc/self/autogroup")


def main() -> int:
    """Run the attack and print its counts."""
    parser = argparse.ArgumentParser(prog="python -m faults.attacks", description=__doc__)
    parser.add_argument("name", choices=ATTACKS)
    parser.add_argument("--front", type=int, required=True, help="port of the front proxy")
    parser.add_argument("--metrics", type=int, default=0, help="a metrics port")
    parser.add_argument("--source", default="127.0.0.2", help="the attacker's address (default: 127.0.0.2)")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long it lasts (default: 5)")
    given = parser.parse_args()
    give_way()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 16_384), most))
    until = time.monotonic() + given.seconds
    target = Target((LOOPBACK, given.front), (LOOPBACK, given.metrics), given.source, until)
    counts = ATTACKS[given.name](target)
    print(json.dumps({**counts, "cpu_ms": round(time.process_time() * 1000)}))
    return 0


def give_way() -> None:
    """Take only the CPU that the platform and the victim leave: on the same cores, an attack costs them no more."""
    os.nice(LEAST_PRIORITY)
    if SESSION_PRIORITY.exists() and os.getsid(0) == os.getpid():
        SESSION_PRIORITY.write_text(str(LEAST_PRIORITY))


if __name__ == "__main__":
    sys.exit(main())
