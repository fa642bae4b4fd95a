"""The line of `ordermesh status` about the reconciliation that the gateway runs every minute."""

from __future__ import annotations

from ordermesh.gateway.v1.pipeline_pb2 import PipelineStatus, ReconcileResponse
from rich.text import Text

Response = ReconcileResponse
LOOK = {Response.AGREES: "green", Response.DIFFERS: "red"}


def reconciled_line(state: PipelineStatus.Reconciliation) -> Text:
    """Return what is known about orders and metrics, and how to learn more."""
    words = WORDS.get(state.verdict, unknown_words)(state)
    return Text.assemble("reconciliation: ", (words, LOOK.get(state.verdict, "yellow")))


def exact_words(state: PipelineStatus.Reconciliation) -> str:
    """Return up to when orders and metrics agree."""
    until = state.exact_until_time.ToDatetime().strftime("%H:%M:%S")
    return f"exact up to {until} UTC: {state.summary} ({ago(state)})"


def in_flight_words(state: PipelineStatus.Reconciliation) -> str:
    """Return what is in flight."""
    return f"nothing differs, events are in flight: {state.summary} ({ago(state)})"


def differs_words(state: PipelineStatus.Reconciliation) -> str:
    """Return what differs."""
    return f"differs: {state.summary} ({ago(state)}); `ordermesh verify` names the differences"


def unknown_words(state: PipelineStatus.Reconciliation) -> str:
    """Return since when there was no verdict, and why."""
    since = f"for {state.age_seconds:,.0f} s" + ("" if state.HasField("start_time") else " since the gateway started")
    reason = f": {state.problem}" if state.problem else ""
    return f"no verdict {since}{reason}"


def ago(state: PipelineStatus.Reconciliation) -> str:
    """Return how old the verdict is, and what has failed since."""
    since = f", then {state.problem}" if state.problem else ""
    return f"{state.age_seconds:,.0f} s ago{since}"


WORDS = {Response.AGREES: exact_words, Response.IN_FLIGHT: in_flight_words, Response.DIFFERS: differs_words}
