"""Watches the pipeline for three seconds: `python watch.py [host:port]`."""

import sys
from itertools import islice

from ordermesh_client import Client

with Client(*sys.argv[1:2]) as client:
    for update in islice(client.watch_status(interval_ms=500), 6):
        status = update.status
        print(
            f"{status.intake.orders_total} orders, {status.outbox.pending} events in the outbox,"
            f" {status.processing.counted_total} counted, lag {status.kafka.consumer_lag}"
        )
