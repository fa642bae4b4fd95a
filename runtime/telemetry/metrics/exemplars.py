"""Exemplars: for each bucket of a histogram the trace of its last value whose trace is sampled.

The client library drops exemplars where processes share their metrics, and has none for values that are observed in
bulk, so they are kept here. A child process hands them to its supervisor in a file.
"""

from __future__ import annotations

import contextlib
import threading
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import cast

from prometheus_client import Histogram
from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

from runtime.telemetry.metrics import handover
from runtime.telemetry.metrics.component_metric import ComponentMetric, Labels

KIND = "exemplars"
# Name of the histogram, values of its labels, upper bound as exposed.
Bucket = tuple[str, Labels, str]
# Trace, value, and when it was observed, in seconds since 1970.
Kept = tuple[str, float, float]


class Exemplars:
    """The last exemplar of each bucket; safe to use from any thread."""

    def __init__(self) -> None:
        self._kept: dict[Bucket, Kept] = {}
        self._changed = False
        self._lock = threading.Lock()

    def put(self, histogram: Histogram, labels: Labels, value: float, trace_id: str) -> None:
        """Keep the trace of a value that was observed with these values of the labels."""
        metric = cast(ComponentMetric, histogram)
        bound = floatToGoString(metric.bounds[bisect_left(metric.bounds, value)])  # type: ignore[no-untyped-call]  # no types
        with self._lock:
            self._kept[metric.specification.name, labels, bound] = (trace_id, value, time.time())
            self._changed = True

    def flush(self) -> None:
        """Hand the exemplars to the supervisor, if they changed and this process has one. Raises no OSError."""
        folder = handover.folder()
        if not (self._changed and folder and handover.is_child()):
            return
        with self._lock:
            self._changed = False
            kept = list(self._kept.items())
        with contextlib.suppress(OSError):
            handover.put(folder, KIND, "all", kept)

    def attach(self, families: Iterable[Metric]) -> Iterator[Metric]:
        """Yield the metrics of a scrape, with exemplars on their buckets."""
        with self._lock:
            found = list(self._kept.items())
        latest: dict[Bucket, Kept] = {}
        for bucket, kept in [*found, *of_children()]:
            latest[bucket] = max(kept, latest.get(bucket, kept), key=lambda one: one[2])
        shown = {name for name, _, _ in latest}
        labels_of = {each.specification.name: each.specification.labels for each in ComponentMetric.all}
        for family in families:
            if family.name in shown:
                with_exemplars(family, labels_of[family.name], latest)
            yield family


EXEMPLARS = Exemplars()


def of_children() -> Iterator[tuple[Bucket, Kept]]:
    """Yield the exemplars of child processes, if this process is their supervisor."""
    for stored in handover.found(KIND):
        for (name, labels, bound), (trace_id, value, at) in stored:
            yield (name, tuple(labels), bound), (trace_id, value, at)


def with_exemplars(family: Metric, names: Labels, latest: dict[Bucket, Kept]) -> None:
    """Set the exemplars of a histogram, whose labels have these names."""
    for place, sample in enumerate(family.samples):
        bucket = (family.name, tuple(sample.labels.get(name, "") for name in names), sample.labels.get("le", ""))
        if kept := latest.get(bucket):
            trace_id, value, at = kept
            family.samples[place] = sample._replace(exemplar=Exemplar({"trace_id": trace_id}, value, at))
