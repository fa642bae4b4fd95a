"""Simulates many runs, and prints the seeds that fail; `make simulate`.

One seed, with the logs of the programs: `make simulate SIMULATE="--seed 5006 --run-steps 3000"`.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time

from simulated.world import simulate

REPORT_SECONDS = 5.0


def outcome(task: tuple[int, int]) -> tuple[int, int, int, str]:
    """Run a seed; return it with its steps, its events, and what was violated."""
    seed, steps = task
    try:
        report = simulate(seed, steps)
    except AssertionError as error:
        return seed, steps, 0, f"{type(error).__name__}: {error}"
    return seed, report.steps, report.events, ""


def explore(first: int, steps: int, run_steps: int, processes: int) -> int:
    """Run seed after seed until so many steps are done; return how many seeds failed."""
    began = reported = time.monotonic()
    done = failed = events = 0
    seeds = range(first, first + -(-steps // run_steps))
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        tasks = ((seed, run_steps) for seed in seeds)
        for runs, (seed, taken, counted, violation) in enumerate(pool.imap_unordered(outcome, tasks), 1):
            done, events = done + taken, events + counted
            if violation:
                failed += 1
                print(f"seed {seed} ({run_steps} steps) failed: {violation}", flush=True)
            if time.monotonic() - reported > REPORT_SECONDS or runs == len(seeds):
                reported = time.monotonic()
                speed = done / (reported - began)
                print(f"{done:,} steps, {runs:,} runs, {events:,} events, {failed} failed, {speed:,.0f}/s", flush=True)
    return failed


def main() -> int:
    """Return the exit code: 1 when a seed failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10_000_000, help="steps in all (10,000,000)")
    parser.add_argument("--run-steps", type=int, default=2_500, help="steps with faults of each run (2,500)")
    parser.add_argument("--first", type=int, default=100_000, help="the first seed (100,000)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, help="run this seed alone, with the logs of the programs")
    options = parser.parse_args()
    if options.seed is not None:
        print(simulate(options.seed, options.run_steps, logs=True))
        return 0
    return 1 if explore(options.first, options.steps, options.run_steps, options.processes) else 0


if __name__ == "__main__":
    sys.exit(main())
