"""Prepares a machine for its first stack: downloads and caches, with progress."""

from __future__ import annotations

from pathlib import Path

from stack.downloads.jar_sets import JAR_SETS, KAFKA_JARS
from stack.downloads.jars import Progress
from stack.machine.paths import default_cache, default_home
from stack.processes.server_account import server_account
from stack.servers.kafka import broker as kafka
from stack.servers.postgres_binaries import locate

LATER_STEPS = 2


def prepare(cache: Path | None = None, progress: Progress = lambda done, total, name: None) -> None:
    """Download the jars of Kafka and Swagger UI, create Kafka's AOT cache, make PostgreSQL's programs accessible.

    Does only what is missing. `progress` gets the done steps, all steps and the name of the step. Raises StackError.
    """
    cache = cache or default_cache()
    total = sum(len(one.locked()) for one in JAR_SETS) + LATER_STEPS
    before = 0
    for one in JAR_SETS:
        one.ensure(cache, moved(progress, before, total))
        before += len(one.locked())
    kafka.create_aot_cache(KAFKA_JARS.ensure(cache), cache)
    progress(total - 1, total, kafka.AOT_CACHE_FILE)
    locate(server_account(default_home() / "postgres"), cache)
    progress(total, total, "PostgreSQL")


def moved(progress: Progress, before: int, total: int) -> Progress:
    """Return what reports the steps of a part, which has others before it, as steps of the whole."""
    return lambda done, _, name: progress(before + done, total, name)


def prepared(cache: Path | None = None) -> bool:
    """Return whether a stack can start without a download; without Swagger UI it starts without that page."""
    return KAFKA_JARS.cached(cache) is not None
