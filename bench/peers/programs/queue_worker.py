"""The worker of procrastinate: concurrent jobs in one process; successful jobs are deleted."""

from __future__ import annotations

import uvloop

from bench.peers.programs import jobs


async def work() -> None:
    """Send until the process is stopped."""
    async with jobs.app.open_async(), jobs.broker:
        await jobs.app.run_worker_async(concurrency=jobs.CONCURRENCY, delete_jobs="successful")


if __name__ == "__main__":
    uvloop.run(work())
