"""F23, F24, F26, F27: a full disk, no descriptors, a moved clock, everything killed, an older backup restored."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from datetime import UTC, datetime, timedelta

from faults.injection import disk
from faults.injection.analytics_backup import backed_up, restore
from faults.scenario import Needs, scenario
from faults.world import World
from stack.processes import proc

SPARE_DESCRIPTORS = 2


@scenario("F23.disk-full", Needs(small_disk=True, alone=True))
def disk_full(world: World) -> None:
    """The disk is full for 150 s: the status says so; with room again, everything is back by itself."""
    home = world.stack.stack.state.home
    with world.fault():
        until = time.monotonic() + world.seconds(150, 30)
        while time.monotonic() < until:
            disk.fill(home)
            time.sleep(0.5)
        down = [name for name in world.stack.stack.status.components if not world.ready(name)]
        world.notes["down on the full disk"] = ", ".join(down)
        if not down:
            world.problems.append("the status says ready on a full disk")
        disk.empty(home)
        world.notes["all ready (s)"] = world.await_ready()


@scenario("F23.descriptors")
def descriptors_exhausted(world: World) -> None:
    """Orders, publisher, processor and Envoy restart with two descriptors more than they had in use."""
    names = ("publisher", "processor", "orders", "envoy")
    with world.fault():
        for name in names:
            world.launches.limit_descriptors(name, descriptors_of(world, name) + SPARE_DESCRIPTORS)
            world.stack.kill(name)
        world.hold(15, 8)
        world.notes["not ready meanwhile"] = ", ".join(name for name in names if not world.ready(name))
        for name in names:
            world.launches.limit_descriptors(name, None)
            known = world.stack.component(name).process_id
            if known is not None and known.alive():
                os.kill(known.pid, signal.SIGKILL)
        world.await_ready()


def descriptors_of(world: World, name: str) -> int:
    """Return how many descriptors a process of a component has, at most."""
    pids = [world.stack.pid(name), *world.stack.children(name)]
    return max(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)


@scenario("F24.orders", Needs(moved_clock=True))
def clock_moved(world: World) -> None:
    """The clock of orders is an hour ahead, then an hour behind: ids and times are the database's."""
    with world.fault():
        for hours in (1, -1):
            world.clock.set(datetime.now(UTC) + timedelta(hours=hours))
            world.hold(15, 6)
        world.clock.set(datetime.now(UTC))
    wrong = world.number(
        "orders", "SELECT count(*) FROM orders WHERE abs(extract(epoch FROM created_at - clock_timestamp())) > 1800"
    )
    if wrong:
        world.problems.append(f"{wrong} orders have a time that is half an hour wrong")


@scenario("F26.everything", selected=True)
def everything_killed(world: World) -> None:
    """All servers and services are killed at once: all is back within 20 s."""
    pids = [one.pid for one in world.stack.stack.status.components.values() if one.pid is not None]
    children = [child for name in ("orders", "processor") for child in world.stack.children(name)]
    with world.fault():
        for pid in [*children, *pids]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        world.until(lambda: all(proc.identify(pid) is None for pid in pids), "all have ended", 10)
        world.notes["all ready (s)"] = world.await_ready()


@scenario("F27.restored", Needs(alone=True))
def analytics_restored(world: World) -> None:
    """The analytics database is restored from a backup that is some seconds old: noticed, and counted again."""
    names = ("processor", "analytics")
    with contextlib.ExitStack() as held:
        for name in names:
            held.enter_context(world.launches.held_down(world.stack, name))
        backed_up(world.stack.context)
    world.await_ready(*names)
    world.hold(15, 6)
    with world.fault():
        with contextlib.ExitStack() as held:
            for name in names:
                held.enter_context(world.launches.held_down(world.stack, name))
            restore(world.stack.context)
        world.await_ready(*names)
