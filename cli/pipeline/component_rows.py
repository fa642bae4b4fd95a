"""The rows of `ordermesh status`: what the local stack's supervisor and the gateway report of each component."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
from ordermesh.gateway.v1 import pipeline_pb2, pipeline_pb2_grpc
from ordermesh.gateway.v1.pipeline_pb2 import PipelineStatus

from runtime.identity import caller
from stack.supervision.status import HEALTHY_STATES, ComponentStatus, StackStatus, State

QUERY_SECONDS = 8.0
# On the socket of the gateway there is no front proxy that names the caller.
IDENTITY = ((caller.HEADER, "operator:stack"),)
Component = PipelineStatus.Component
STATES = {
    Component.UP: State.READY,
    Component.DOWN: State.DOWN,
    Component.DEGRADED: State.DEGRADED,
    Component.DRAINING: State.DRAINING,
    Component.STATE_UNSPECIFIED: State.UNKNOWN,
}


@dataclass(frozen=True)
class ComponentRow:
    """One row of `ordermesh status`."""

    name: str
    state: State
    detail: str = ""
    pid: int | None = None
    restarts: int | None = None
    address: str = ""


def query_gateway(known: StackStatus) -> PipelineStatus | None:
    """Return the status from the local stack's gateway, on its own socket; None when it does not answer."""
    with grpc.insecure_channel(f"unix:{Path(known.run_dir) / 'gateway' / 'gateway.sock'}") as channel:
        try:
            status: PipelineStatus
            stub = pipeline_pb2_grpc.PipelineServiceStub(channel)
            status = stub.GetStatus(pipeline_pb2.GetStatusRequest(), timeout=QUERY_SECONDS, metadata=IDENTITY)
        except grpc.RpcError:
            return None
    return status


def component_rows(
    known: StackStatus, pipeline: PipelineStatus | None, *, queried: bool = True
) -> Iterator[ComponentRow]:
    """Yield a row for each component but finished tasks; `queried` tells that `pipeline` None means no answer."""
    reported = {} if pipeline is None else {one.name: one for one in pipeline.components}
    if not known.current:
        detail = f"did not update its status file for {known.age_seconds:.0f} seconds"
        yield ComponentRow("supervisor", State.UNRESPONSIVE, detail, known.supervisor.pid)
    for name, one in known.components.items():
        if one.state != State.DONE:
            yield combined(name, one, reported.pop(name, None), silent=queried and pipeline is None)
    for name, component in reported.items():
        yield ComponentRow(name, STATES.get(component.state, State.UNKNOWN), component.message)


def combined(name: str, own: ComponentStatus, reported: Component | None, *, silent: bool) -> ComponentRow:
    """Return the supervisor's state of a component, or the gateway's where the supervisor's is ready."""
    state, detail = own.state, own.detail
    if state == State.READY and reported is not None:
        state, detail = STATES.get(reported.state, State.UNKNOWN), reported.message
    if state == State.READY and name == "gateway" and silent:
        state, detail = State.UNRESPONSIVE, f"no answer within {QUERY_SECONDS:g} s"
    return ComponentRow(name, state, detail, own.pid, own.restarts, own.address)


def all_healthy(rows: list[ComponentRow]) -> bool:
    """Return whether every component is ready."""
    return all(row.state in HEALTHY_STATES for row in rows)
