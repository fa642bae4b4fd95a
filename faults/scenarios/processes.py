"""F1 to F6: processes are killed, stopped and continued."""

from __future__ import annotations

import os
import random
import signal
import time

from faults.injection.postgres_proxy import COMMIT, PostgresProxy, statement
from faults.injection.stopped import stopped
from faults.scenario import Needs, scenario
from faults.world import NotRepaired, World
from stack.processes import proc
from stack.supervision.health_checks import grpc_serves

PROXIED = Needs(proxies=True)
STRIKE_SECONDS = 30.0
# Orders of products without tracked stock are one statement, without a transaction around it.
INSERT = statement("insert into orders")


@scenario("F1.before-commit", PROXIED)
def killed_before_commit(world: World) -> None:
    """An orders process is killed when its COMMIT has not reached PostgreSQL."""
    killed_at_commit(world, after=False)


@scenario("F1.after-commit", PROXIED)
def killed_after_commit(world: World) -> None:
    """An orders process is killed when PostgreSQL has committed and nobody was told."""
    killed_at_commit(world, after=True)


@scenario("F1.any-time", selected=True)
def killed_any_time(world: World) -> None:
    """Each orders process is killed at a random moment."""
    with world.fault():
        for index in range(len(world.stack.children("orders"))):
            time.sleep(random.random())
            world.notes[f"replaced {index} (s)"] = world.kill_child("orders", index)


def stores(sql: str) -> bool:
    """Return whether a statement stores something for good."""
    return COMMIT(sql) or INSERT(sql)


def await_strike(proxy: PostgresProxy) -> None:
    """Wait until a statement has come by that the proxy waits for. Raises NotRepaired."""
    if not proxy.struck.wait(STRIKE_SECONDS):
        raise NotRepaired("no statement came by to break off at")


def killed_at_commit(world: World, *, after: bool) -> None:
    """Hold a COMMIT or its answer, and kill the process that waits for it."""
    proxy = world.network.postgres["orders"]
    with world.fault():
        for _ in range(3):
            (proxy.hold_after if after else proxy.hold_before)(stores)
            await_strike(proxy)
            for pid in world.stack.children("orders"):
                os.kill(pid, signal.SIGKILL)
            proxy.cut()
            proxy.release()
            world.until(lambda: all(map(grpc_serves, world.stack.context.orders_sockets)), "orders is back")


@scenario("F2.before-mark", PROXIED)
def publisher_killed_before_mark(world: World) -> None:
    """The publisher is killed when Kafka has acknowledged and nothing is marked."""
    proxy = world.network.postgres["publisher"]
    with world.fault():
        for _ in range(3):
            proxy.hold_before(COMMIT)
            await_strike(proxy)
            restarts = world.stack.kill("publisher")
            proxy.cut()
            proxy.release()
            world.stack.await_restart("publisher", restarts)


@scenario("F2.before-ack", PROXIED)
def publisher_killed_before_ack(world: World) -> None:
    """The publisher is killed when it has produced and Kafka's acknowledgements have not come."""
    proxy = world.network.kafka["publisher"]
    with world.fault():
        for _ in range(3):
            proxy.hold("to client")
            time.sleep(0.5)
            restarts = world.stack.kill("publisher")
            proxy.cut()
            proxy.release()
            world.stack.await_restart("publisher", restarts)


@scenario("F2.any-time")
def publisher_killed(world: World) -> None:
    """The publisher is killed at random moments."""
    with world.fault():
        for _ in range(3):
            time.sleep(random.random())
            world.kill("publisher")


@scenario("F2.broker-down")
def publisher_killed_while_kafka_is_down(world: World) -> None:
    """The publisher is killed while a broker is down, with events in hand that it cannot send."""
    with world.fault():
        with world.launches.held_down(world.stack, world.brokers[0]):
            world.hold(12, 8)
            world.stack.kill("publisher")
            world.hold(4, 2)
        world.await_ready(world.brokers[0], "publisher")


@scenario("F3.before-commit", PROXIED)
def worker_killed_before_commit(world: World) -> None:
    """Workers are killed when their COMMIT has not reached PostgreSQL."""
    workers_killed_at_commit(world, after=False)


@scenario("F3.after-commit", PROXIED)
def worker_killed_after_commit(world: World) -> None:
    """Workers are killed between their commit and that of the offsets."""
    workers_killed_at_commit(world, after=True)


def workers_killed_at_commit(world: World, *, after: bool) -> None:
    """Hold a COMMIT or its answer, and kill the workers."""
    proxy = world.network.postgres["processor"]
    with world.fault():
        # A record with which three workers ended, one after the other, is taken for the cause.
        for _ in range(2):
            (proxy.hold_after if after else proxy.hold_before)(COMMIT)
            await_strike(proxy)
            for pid in world.stack.children("processor"):
                os.kill(pid, signal.SIGKILL)
            proxy.cut()
            proxy.release()
            world.until(lambda: len(world.stack.children("processor")) == 2, "the workers are back")
        world.await_ready("processor")


@scenario("F3.any-time", selected=True)
def worker_killed(world: World) -> None:
    """Each worker is killed at a random moment."""
    with world.fault():
        for index in range(len(world.stack.children("processor"))):
            time.sleep(random.random())
            world.kill_child("processor", index)


@scenario("F4.supervisor")
def supervisor_killed(world: World) -> None:
    """The processor's supervisor is killed: no worker is left behind, and it is back within 10 s."""
    workers = world.stack.children("processor")
    with world.fault():
        world.notes["restarted (s)"] = world.kill("processor")
    world.notes["orphans gone (s)"] = world.until(
        lambda: all(proc.identify(pid) is None for pid in workers), "no worker is left behind", 10
    )


@scenario("F5.worker")
def worker_stopped(world: World) -> None:
    """A worker is stopped for 30 s and goes on: another has taken over."""
    stopped_for_a_while(world, world.stack.children("processor")[0])


@scenario("F5.publisher")
def publisher_stopped(world: World) -> None:
    """The publisher is stopped for 30 s and goes on with a claim that has ended."""
    stopped_for_a_while(world, world.stack.pid("publisher"))


@scenario("F5.orders")
def orders_stopped(world: World) -> None:
    """The orders process that serves is stopped for 30 s: the other takes over."""
    stopped_for_a_while(world, world.stack.children("orders")[0])


def stopped_for_a_while(world: World, pid: int) -> None:
    """Stop a process and let it go on."""
    with world.fault(), stopped(pid):
        world.hold(30, 10)


@scenario("F6.kills")
def kills_for_a_minute(world: World) -> None:
    """For a minute something else is killed every 5 s."""
    victims = ["orders", "publisher", "processor", "envoy", "analytics", "gateway", "postgres", *world.brokers[:1]]
    draw = random.Random(world.journal.calls[0].request_id)
    with world.fault():
        until = time.monotonic() + world.seconds(60, 20)
        while time.monotonic() < until:
            victim = draw.choice(victims)
            if world.ready(victim):
                world.stack.kill(victim)
                world.notes[victim] = world.notes.get(victim, 0) + 1
            time.sleep(5)
        world.await_ready()
