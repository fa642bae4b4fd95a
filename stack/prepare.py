"""Prepares a machine for its first stack: downloads and caches, with progress."""

from __future__ import annotations

from pathlib import Path

from stack.machine.paths import default_cache, default_home
from stack.processes.server_account import server_account
from stack.servers.kafka import broker as kafka
from stack.servers.kafka import jars as kafka_jars
from stack.servers.kafka.jars import Progress
from stack.servers.postgres_binaries import locate

LATER_STEPS = 2


def prepare(cache: Path | None = None, progress: Progress = lambda done, total, name: None) -> None:
    """Download Kafka's jars, create its AOT cache, and make PostgreSQL's programs accessible.

    Does only what is missing. `progress` gets the done steps, all steps and the name of the step. Raises StackError.
    """
    cache = cache or default_cache()
    total = len(kafka_jars.read_lock()) + LATER_STEPS
    jars = kafka_jars.ensure(cache, lambda done, jars_total, name: progress(done, total, name))
    kafka.create_aot_cache(jars, cache)
    progress(total - 1, total, kafka.AOT_CACHE_FILE)
    locate(server_account(default_home() / "postgres"), cache)
    progress(total, total, "PostgreSQL")


def prepared(cache: Path | None = None) -> bool:
    """Return whether a stack can start without a download."""
    return kafka_jars.cached(cache) is not None
