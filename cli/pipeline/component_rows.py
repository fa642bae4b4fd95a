"""How every part is: what the supervisor of the local stack sees of its processes, and what the gateway derives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
from ordermesh.gateway.v1 import pipeline_pb2, pipeline_pb2_grpc
from ordermesh.gateway.v1.pipeline_pb2 import PipelineStatus

from stack.supervision.status import HEALTHY_STATES, ComponentStatus, StackStatus, State

ASK_SECONDS = 8.0
Component = PipelineStatus.Component
WORDS = {
    Component.UP: State.READY,
    Component.DOWN: State.DOWN,
    Component.DEGRADED: State.DEGRADED,
    Component.DRAINING: State.DRAINING,
    Component.STATE_UNSPECIFIED: State.UNKNOWN,
}


@dataclass(frozen=True)
class Part:
    """One line of `ordermesh status`."""

    name: str
    state: State
    detail: str = ""
    pid: int | None = None
    restarts: int | None = None
    address: str = ""


def query_gateway(known: StackStatus) -> PipelineStatus | None:
    """Return what the gateway of the local stack says, on its own socket; None when it does not answer."""
    with grpc.insecure_channel(f"unix:{Path(known.run_dir) / 'gateway.sock'}") as channel:
        try:
            status: PipelineStatus
            stub = pipeline_pb2_grpc.PipelineServiceStub(channel)
            status = stub.GetStatus(pipeline_pb2.GetStatusRequest(), timeout=ASK_SECONDS)
        except grpc.RpcError:
            return None
    return status


def parts(known: StackStatus, pipeline: PipelineStatus | None, *, asked: bool = True) -> Iterator[Part]:
    """Yield every part that stays, the worse of what both say of it; `asked` when the gateway should have answered."""
    told = {} if pipeline is None else {one.name: one for one in pipeline.components}
    if not known.current:
        words = f"did not touch its file for {known.age_seconds:.0f} seconds"
        yield Part("supervisor", State.UNRESPONSIVE, words, known.supervisor.pid)
    for name, one in known.components.items():
        if one.state != State.DONE:
            yield merged(name, one, told.pop(name, None), silent=asked and pipeline is None)
    for name, component in told.items():
        yield Part(name, WORDS.get(component.state, State.UNKNOWN), component.message)


def merged(name: str, own: ComponentStatus, told: Component | None, *, silent: bool) -> Part:
    """Return a part as its supervisor sees it, and as the gateway says where the supervisor finds nothing wrong."""
    state, detail = own.state, own.detail
    if state == State.READY and told is not None:
        state, detail = WORDS.get(told.state, State.UNKNOWN), told.message
    if state == State.READY and name == "gateway" and silent:
        state, detail = State.UNRESPONSIVE, f"no answer within {ASK_SECONDS:g} s"
    return Part(name, state, detail, own.pid, own.restarts, own.address)


def all_healthy(found: list[Part]) -> bool:
    """Say whether every part is ready."""
    return all(part.state in HEALTHY_STATES for part in found)
