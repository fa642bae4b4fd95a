"""The worker of procrastinate: many jobs at a time in one process, and those that are done go."""

from __future__ import annotations

import uvloop

from bench.peers.programs import jobs


async def work() -> None:
    """Send until the process is ended."""
    async with jobs.app.open_async(), jobs.broker:
        await jobs.app.run_worker_async(concurrency=jobs.CONCURRENCY, delete_jobs="successful")


if __name__ == "__main__":
    uvloop.run(work())
