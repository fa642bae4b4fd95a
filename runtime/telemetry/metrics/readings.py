"""Values that a process reads from a database, from Kafka or from the system for its metrics.

They are read in the background, never by a scrape, and hold for a limited time: what cannot be read any more vanishes
instead of freezing. A child process hands its readings to the supervisor, which serves the metrics, in a file.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.metrics_core import Metric

from runtime.telemetry.metrics import handover
from runtime.telemetry.metrics.component_metric import ComponentMetric, Labels, ReadMetric

KIND = "readings"
Values = Mapping[ReadMetric, Mapping[Labels, float]]


@dataclass(frozen=True, slots=True)
class Reading:
    """Values by name of the metric and labels, and until when they hold, by the system's monotonic clock."""

    until: float
    values: Mapping[str, Mapping[Labels, float]]


class Readings:
    """The last reading of each source, such as a database; safe to use from any thread."""

    def __init__(self) -> None:
        self._of_source: dict[str, Reading] = {}

    def put(self, source: str, found: Values, valid_seconds: float) -> None:
        """Replace the reading of a source. Raises no OSError: without its file a reading is as good as none."""
        values = {metric.specification.name: labelled for metric, labelled in found.items()}
        reading = Reading(time.monotonic() + valid_seconds, values)
        shared = handover.folder()
        if shared is None or not handover.is_child():
            self._of_source[source] = reading
            return
        with contextlib.suppress(OSError):
            content = {"until": reading.until, "values": {name: list(each.items()) for name, each in values.items()}}
            handover.put(shared, KIND, source, content)

    def current(self) -> Iterator[Reading]:
        """Yield the readings that hold now: those of this process, and of its children."""
        now = time.monotonic()
        yield from (reading for reading in [*self._of_source.values(), *of_children()] if reading.until > now)

    def collect(self) -> Iterable[Metric]:
        """Return the metrics for a scrape."""
        found: dict[str, dict[Labels, float]] = {}
        for reading in self.current():
            for name, values in reading.values.items():
                found.setdefault(name, {}).update(values)
        for metric in ComponentMetric.all:
            if isinstance(metric, ReadMetric) and metric.specification.name in found:
                yield metric.family(found[metric.specification.name])


READINGS = Readings()


def of_children() -> Iterator[Reading]:
    """Yield the readings of child processes, if this process is their supervisor."""
    for stored in handover.found(KIND):
        values = {
            metric: {tuple(labels): value for labels, value in labelled}
            for metric, labelled in stored["values"].items()
        }
        yield Reading(stored["until"], values)
