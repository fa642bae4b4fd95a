"""What the metrics show of the outbox, read from the database: it goes on when no publisher runs."""

from __future__ import annotations

from orders.store.queries import OUTBOX
from runtime.postgres.readings import Source
from runtime.telemetry import metrics

COUNTED_UP_TO = 100_000
OUTBOX_SOURCE = Source(
    "outbox",
    5.0,
    {
        metrics.OUTBOX_PENDING: OUTBOX.count_pending,
        metrics.OUTBOX_OLDEST_AGE: OUTBOX.oldest_unsent_age,
        metrics.OUTBOX_DEAD: OUTBOX.count_dead,
    },
    {"limit": COUNTED_UP_TO},
)
