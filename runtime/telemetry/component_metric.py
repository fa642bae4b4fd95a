"""Metrics that belong to one component, created only in its processes.

A gauge with the value 0 from a process that cannot know the value would be wrong, so each process creates the metrics
of its own component (`metrics.create`) and those that it writes to. The component `grpc` is every gRPC server, and
`tracing` every process that sends spans.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from prometheus_client import Counter, Gauge, Histogram, values

Component = Literal["orders", "publisher", "processor", "gateway", "grpc", "tracing"]
Kind = Literal["counter", "gauge", "histogram"]
CLASSES: dict[Kind, type[Counter | Gauge | Histogram]] = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}

# The index of a child process in its service. A file per index and not per process id: processes that restart again
# and again would leave files behind until the disk is full, and their counts have to stay in the sum.
CHILD_INDEX = "PROMETHEUS_CHILD_INDEX"

if index := os.environ.get(CHILD_INDEX):
    values.ValueClass = values.MultiProcessValue(lambda: index)  # type: ignore[no-untyped-call]  # the library has no types here


@dataclass(frozen=True, slots=True)
class Specification:
    """What a metric is: `name` as exposed, `unit` of its values, `labels` in the order of `.labels(...)`."""

    component: Component
    kind: Kind
    name: str
    unit: str
    labels: tuple[str, ...]
    help: str


class ComponentMetric:
    """A metric that is created when it is first used, or by `metrics.create` for its component."""

    all: list[ComponentMetric] = []  # noqa: RUF012  # filled below, at import
    lock = threading.Lock()

    def __init__(self, specification: Specification, options: dict[str, Any]) -> None:
        self.specification = specification
        self._options = options
        self._metric: Any = None
        self.all.append(self)

    def metric(self) -> Any:
        """Return the metric, created on the first call."""
        with self.lock:
            if self._metric is None:
                it = self.specification
                self._metric = CLASSES[it.kind](it.name, it.help, it.labels, **self._options)
            return self._metric

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the metric; stored on the instance, so that it is looked up here once."""
        value = getattr(self.metric(), name)
        setattr(self, name, value)
        return value


def counter(component: Component, name: str, unit: str, text: str, labels: Sequence[str] = ()) -> Counter:
    """Declare a counter; its name ends in `_total`."""
    return cast(Counter, ComponentMetric(Specification(component, "counter", name, unit, tuple(labels), text), {}))


def gauge(
    component: Component, name: str, unit: str, text: str, labels: Sequence[str] = (), *, processes: str = "all"
) -> Gauge:
    """Declare a gauge; `processes` is prometheus_client's `multiprocess_mode`: how child processes are combined."""
    options = {"multiprocess_mode": processes}
    return cast(Gauge, ComponentMetric(Specification(component, "gauge", name, unit, tuple(labels), text), options))


def histogram(
    component: Component, name: str, unit: str, text: str, buckets: Sequence[float], labels: Sequence[str] = ()
) -> Histogram:
    """Declare a histogram with these upper bounds of its buckets."""
    options = {"buckets": buckets}
    made = ComponentMetric(Specification(component, "histogram", name, unit, tuple(labels), text), options)
    return cast(Histogram, made)
