"""Resources of the idle platform: memory, CPU, and the time from start to the first order."""

from __future__ import annotations

import time
from typing import Any

from bench.loads import h2load
from bench.loads.closed_model import REST
from bench.subjects import accounting
from bench.subjects.pipeline import probes
from stack.running_stack import running_stack

IDLE_SECONDS = 3.0


def idle() -> dict[str, Any]:
    """Start a platform whose programs are installed, send one order, and measure the idle platform."""
    began = time.monotonic()
    with running_stack() as running, probes(running) as subject_of:
        subject = subject_of("product", running.context.settings.front_port)
        answers = h2load.run(subject.accepted(REST), subject.port, 1)
        first_order_seconds = time.monotonic() - began
        subject.drain(answers.calls)
        before = accounting.measure_cost(subject.roots)
        time.sleep(IDLE_SECONDS)
        used = accounting.measure_cost(subject.roots).since(before)
        memory = accounting.memory_bytes(subject.roots)
    return {
        "seconds_to_first_order": round(first_order_seconds, 2),
        "idle_memory_bytes": memory,
        "idle_memory_bytes_total": sum(memory.values()),
        "idle_cores_used": round(sum(used.values()) / 1e6 / IDLE_SECONDS, 3),
    }
