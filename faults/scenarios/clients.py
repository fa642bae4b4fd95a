"""F20, F21 and F25: clients that give up, ask at once, too much, or break the protocol."""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

from faults.load.customers import Session, at_once
from faults.load.journal import BYSTANDER, CREATE
from faults.scenario import Needs, scenario
from faults.world import World

ATTACKS = ("rapid-reset", "continuation-flood", "half-open-headers", "slow-orders", "large-bodies", "large-headers")
MEMORY_GOAL = 2.0


@scenario("F20.cancelled")
def calls_cancelled(world: World) -> None:
    """Clients cancel at every phase of a call, and give 1 ms: at most one order for each request id."""

    async def give_up(session: Session) -> None:
        for number in range(300):
            await session.abandon(timeout_seconds=0.001 if number % 3 == 0 else 0.0003 * (number % 60))
            await asyncio.sleep(0.01)

    with world.fault():
        at_once(world.front, give_up, world.journal, seed=20)


@scenario("F20.same-id", selected=True)
def same_id_at_once(world: World) -> None:
    """Fifty calls with one request id come at once: one order."""

    async def ask(session: Session) -> None:
        for _ in range(5):
            request = session.order()
            calls = await asyncio.gather(*(session.ask(CREATE, request, patient=True) for _ in range(50)))
            ids = {call.order_id for call in calls if call.accepted}
            if len(ids) != 1:
                world.problems.append(f"request {request.request_id} created {len(ids)} orders")

    with world.fault():
        at_once(world.front, ask, world.journal, seed=20)


@scenario("F21.overload")
def overload(world: World) -> None:
    """Five hundred clients send without a pause: what is too much is refused at once."""
    until = time.monotonic() + world.seconds(15, 6)

    async def flood(session: Session) -> None:
        async def one() -> None:
            while time.monotonic() < until:
                await session.ask(CREATE, session.order(), patient=False)

        await asyncio.gather(*(one() for _ in range(500)))

    with world.fault():
        at_once(world.front, flood, world.journal, seed=21)
    note_refusals(world)


@scenario("F21.slow-postgres", Needs(proxies=True))
def slow_postgres(world: World) -> None:
    """Every answer of PostgreSQL to orders takes 200 ms longer, at three times the rate."""
    proxy = world.network.postgres["orders"]
    with world.fault(), world.customers.at_rate(3):
        proxy.delay_seconds = 0.1
        world.hold(15, 6)
        proxy.delay_seconds = 0.0
    note_refusals(world)


@scenario("F21.slow-consumer", Needs(proxies=True))
def slow_consumer(world: World) -> None:
    """The workers reach PostgreSQL with 20 KB/s, at three times the rate: the backlog is counted afterwards."""
    proxy = world.network.postgres["processor"]
    with world.fault(), world.customers.at_rate(3):
        proxy.bytes_per_second = 20_000
        world.hold(15, 6)
        proxy.bytes_per_second = None


def note_refusals(world: World) -> None:
    """Note how long refusals took."""
    refused = [
        call.ended_at - call.started_at
        for call in world.journal.since(world.injected_at)
        if call.ended_at and call.attempts == 1 and call.kind.startswith("RESOURCE_EXHAUSTED")
    ]
    if refused:
        known = sorted(refused)
        world.notes["refused"] = len(known)
        world.notes["refusals p50, p99 (ms)"] = [
            round(known[int(len(known) * share)] * 1000, 1) for share in (0.5, 0.99)
        ]


@scenario("F25.abuse")
def http_abuse(world: World) -> None:
    """Streams reset at once, endless headers, slow headers, bodies of 5 MB, headers of 16 KB: memory is bounded."""
    settings = world.stack.context.settings
    pid = world.stack.pid("envoy")
    before = resident_bytes(pid)
    world.notes["bystander p99 before (ms)"] = percentile(world, 0.0, time.monotonic())
    with world.fault():
        for name in ATTACKS:
            begun = time.monotonic()
            words = ["--front", str(settings.front_port), "--metrics", str(settings.publisher_metrics_port)]
            command = [sys.executable, "-m", "faults.attacks", name, *words, "--seconds", str(world.seconds(6, 3))]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, start_new_session=True)
            if done.returncode:
                world.problems.append(f"{name} failed: {done.stderr[-200:]}")
                continue
            world.notes[name] = {
                **json.loads(done.stdout),
                "bystander p99 (ms)": percentile(world, begun, time.monotonic()),
                "Envoy (MiB)": resident_bytes(pid) >> 20,
            }
    if world.stack.pid("envoy") != pid:
        world.problems.append("Envoy ended")
    elif resident_bytes(pid) > MEMORY_GOAL * before:
        world.problems.append(f"Envoy grew from {before >> 20} to {resident_bytes(pid) >> 20} MiB")


def resident_bytes(pid: int) -> int:
    """Return the memory of a process."""
    words = Path(f"/proc/{pid}/statm").read_text().split()
    return int(words[1]) * resource.getpagesize()


def percentile(world: World, begin: float, end: float) -> float:
    """Return the 99th percentile in milliseconds of the bystander's calls that ended in an interval."""
    own = sorted(
        call.ended_at - call.started_at
        for call in world.journal.calls
        if call.by == BYSTANDER and call.accepted and begin <= call.ended_at < end
    )
    return round(own[int(len(own) * 0.99)] * 1000, 1) if own else float("nan")
