"""Metrics that belong to one component, created only in its processes.

A gauge with the value 0 from a process that cannot know the value would be wrong, so each process creates the metrics
of its own component (`metrics.create`) and those that it writes to. `SERVICES` says which services a component is in.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics, values
from prometheus_client.metrics_core import Metric

Component = Literal[
    "orders", "publisher", "processor", "analytics", "gateway", "grpc", "event_loop", "database", "maintenance",
    "supervisor", "service", "tracing",
]  # fmt: skip
Kind = Literal["counter", "gauge", "histogram"]
CLASSES: dict[Kind, type[Counter | Gauge | Histogram]] = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}
Labels = tuple[str, ...]

# Of which service's endpoint a component's metrics are a part: of the service of the same name, and of these.
SERVICES: dict[Component, tuple[str, ...]] = {
    "orders": ("orders",),
    "publisher": ("publisher",),
    "processor": ("processor",),
    "analytics": ("analytics",),
    "gateway": ("gateway",),
    "grpc": ("orders", "analytics", "gateway"),
    "event_loop": ("orders", "gateway"),
    "database": ("orders", "analytics"),
    "maintenance": ("orders", "processor"),
    "supervisor": ("orders", "processor"),
    "service": ("orders", "publisher", "processor", "analytics", "gateway"),
    # While spans are sent.
    "tracing": ("orders", "publisher", "processor", "analytics", "gateway"),
}

# The index of a child process in its service. A file per index and not per process id: processes that restart again
# and again would leave files behind until the disk is full, and their counts have to stay in the sum.
CHILD_INDEX = "PROMETHEUS_CHILD_INDEX"

# A series for each other one, of which no process shows those of its children.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no types here

if index := os.environ.get(CHILD_INDEX):
    values.ValueClass = values.MultiProcessValue(lambda: index)  # type: ignore[no-untyped-call]  # the library has no types here


@dataclass(frozen=True, slots=True)
class Specification:
    """What a metric is: `name` as exposed, `unit` of its values, `labels` in the order of `.labels(...)`.

    `is_read` tells metrics whose values are read elsewhere, for example from a database.
    """

    component: Component
    kind: Kind
    name: str
    unit: str
    labels: Labels
    help: str
    is_read: bool = False


class ComponentMetric:
    """A metric that is created when it is first used, or by `metrics.create` for its component."""

    all: list[ComponentMetric | ReadMetric] = []  # noqa: RUF012  # filled below, at import
    lock = threading.Lock()

    def __init__(self, specification: Specification, options: dict[str, Any]) -> None:
        self.specification = specification
        self._options = options
        self._metric: Any = None
        self.all.append(self)

    @property
    def bounds(self) -> tuple[float, ...]:
        """The upper bounds of the buckets of a histogram."""
        return (*self._options["buckets"], math.inf)

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


class ReadMetric:
    """A metric whose values are read elsewhere, for example from a database: see `readings`. Nothing is kept here."""

    def __init__(self, specification: Specification) -> None:
        self.specification = specification
        ComponentMetric.all.append(self)

    def family(self, found: Mapping[Labels, float]) -> Metric:
        """Return the metric with these values by labels, for a scrape."""
        it = self.specification
        family = Metric(it.name.removesuffix("_total"), it.help, it.kind)
        for labels, value in found.items():
            family.add_sample(it.name, dict(zip(it.labels, labels, strict=True)), value)
        return family


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


def read(
    component: Component, kind: Literal["counter", "gauge"], name: str, unit: str, text: str, labels: Sequence[str] = ()
) -> ReadMetric:
    """Declare a metric whose values are read elsewhere."""
    return ReadMetric(Specification(component, kind, name, unit, tuple(labels), text, is_read=True))
