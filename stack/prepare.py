"""What a machine needs once before its first stack: fetched or made in the cache, with progress."""

from __future__ import annotations

from pathlib import Path

from stack.machine.paths import default_cache, default_home
from stack.processes.identity import server_identity
from stack.servers import kafka, kafka_jars
from stack.servers.kafka_jars import Progress
from stack.servers.postgres_binaries import locate

LATER_STEPS = 2


def prepare(cache: Path | None = None, progress: Progress = lambda done, total, name: None) -> None:
    """Fetch Kafka's jars, make its start-up cache, see to it that PostgreSQL's programs can be run.

    Does only what is missing. `progress` gets done, total and the name of the step. Raises StackError.
    """
    cache = cache or default_cache()
    total = len(kafka_jars.read_lock()) + LATER_STEPS
    jars = kafka_jars.ensure(cache, lambda done, jars_total, name: progress(done, total, name))
    kafka.warm_up(jars, cache)
    progress(total - 1, total, kafka.WARM_FILE)
    locate(server_identity(default_home() / "postgres"), cache)
    progress(total, total, "PostgreSQL")


def prepared(cache: Path | None = None) -> bool:
    """Say whether a stack can start without fetching anything."""
    return kafka_jars.cached(cache) is not None
