"""F7 and F22: rolling restarts of each service; the front proxy is killed, misconfigured, or loses a service."""

from __future__ import annotations

import os
import signal
import time

from faults.load.journal import Call
from faults.scenario import scenario
from faults.world import World
from stack.supervision.health_checks import grpc_serves

BROKEN_CONFIGURATION = "static_resources: {listeners: [{name: broken"


@scenario("F7.orders", selected=True)
def orders_restarted(world: World) -> None:
    """Each orders process is restarted: no call fails."""
    with world.fault():
        for pid in world.stack.children("orders"):
            os.kill(pid, signal.SIGTERM)
            world.until(lambda pid=pid: pid not in world.stack.children("orders"), "it has drained")  # type: ignore[misc]
            world.until(lambda: all(map(grpc_serves, world.stack.context.orders_sockets)), "both serve")
            time.sleep(2)
    require_no_failure(world)


@scenario("F7.others")
def others_restarted(world: World) -> None:
    """Publisher, processor, analytics and gateway are restarted one after the other: no call fails."""
    with world.fault():
        for name in ("publisher", "processor", "analytics", "gateway"):
            restarts = world.stack.kill(name, signal.SIGTERM)
            world.until(lambda: world.stack.component(name).restarts > restarts, f"{name} restarts")  # noqa: B023
            world.await_ready(name)
    require_no_failure(world)


def require_no_failure(world: World) -> None:
    """Note as a problem that a call of a customer needed another attempt, or failed."""
    failed = [call for call in world.journal.since(world.injected_at) if call.ended_at and unwanted(call)]
    if failed:
        world.problems.append(f"{len(failed)} calls failed or were repeated, the first after {failed[0].refusals[:1]}")


def unwanted(call: Call) -> bool:
    """Return whether a call failed otherwise than by the rules of orders."""
    return call.attempts > 1 or not (call.accepted or call.kind.startswith("FAILED_PRECONDITION"))


@scenario("F22.killed")
def proxy_killed(world: World) -> None:
    """Envoy is killed: its clients reconnect."""
    with world.fault():
        world.notes["restarted (s)"] = world.kill("envoy")


@scenario("F22.configuration")
def proxy_misconfigured(world: World) -> None:
    """Envoy's configuration is broken when it restarts: the status says so until it is mended."""
    path = world.stack.context.envoy_config
    intact = path.read_text()
    with world.fault():
        path.write_text(BROKEN_CONFIGURATION)
        try:
            world.stack.kill("envoy")
            world.until(lambda: not world.ready("envoy"), "the status says that Envoy is down")
            world.hold(10, 5)
            if world.ready("envoy"):
                world.problems.append("the status says that a misconfigured Envoy is ready")
            world.notes["status said"] = world.stack.component("envoy").detail[:100]
        finally:
            path.write_text(intact)
        world.await_ready("envoy")


@scenario("F22.endpoint")
def endpoint_gone(world: World) -> None:
    """The socket of an orders process goes away under it: Envoy uses the other one."""
    path = world.stack.context.orders_sockets[0]
    with world.fault():
        path.unlink()
        world.hold(10, 5)
        os.kill(world.stack.children("orders")[0], signal.SIGTERM)
        world.until(lambda: path.exists() and world.ready("orders"), "the process has a socket again")
