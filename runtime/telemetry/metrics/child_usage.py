"""CPU time and memory of a child process: the client library has no such metrics of processes that share theirs.

The child tells them itself: where services are confined, no process may look into /proc for another one, nor for itself
unless it was started with the confinement.
"""

from __future__ import annotations

import os
import resource
import time

from runtime.telemetry import metrics
from runtime.telemetry.metrics.component_metric import CHILD_INDEX, Labels
from runtime.telemetry.metrics.readings import READINGS

VALID_SECONDS = 10.0
KIB = 1024


def record() -> None:
    """Show what this process has used until now, if it is a child."""
    index = os.environ.get(CHILD_INDEX)
    if index:
        peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB
        child: Labels = (index,)
        used = {metrics.CHILD_CPU: {child: time.process_time()}, metrics.CHILD_MEMORY: {child: float(peak_bytes)}}
        READINGS.put("usage", used, VALID_SECONDS)
