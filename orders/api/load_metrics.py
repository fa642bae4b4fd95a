"""Samples how busy a serving process is: admitted and waiting calls, and the connections of its pool."""

from __future__ import annotations

from orders.api.admission import Admission
from orders.api.idempotent_writes import IdempotentWrites
from orders.api.read_admission import ReadAdmission
from runtime.postgres.pool import Pool
from runtime.telemetry import metrics
from runtime.telemetry.metrics import servers

DATABASE = "orders"


def record_load(admission: Admission, reads: ReadAdmission, writes: IdempotentWrites, pool: Pool) -> None:
    """Set the gauges of this process."""
    metrics.ADMISSION_CALLS.set(admission.in_flight)
    metrics.ADMISSION_LIMIT.set(admission.max_in_flight)
    metrics.ADMISSION_WAITING.labels("reads").set(reads.waiting)
    metrics.ADMISSION_WAITING.labels("changes").set(writes.waiting)
    servers.POOL_CONNECTIONS.labels(DATABASE, "in_use").set(pool.in_use)
    servers.POOL_CONNECTIONS.labels(DATABASE, "idle").set(pool.idle)
    servers.POOL_WAITING.labels(DATABASE).set(pool.waiting)
