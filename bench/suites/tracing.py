"""The price of tracing: the platform with it off, and with different shares of sampled traces, in turn."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import product as product_of
from typing import Any

from bench.loads.closed_model import GRPC, REST_HTTP2
from bench.measure.end_to_end import Run, measured
from bench.measure.stages import Stage
from bench.subjects.pipeline import product
from bench.subjects.span_sink import span_sink
from runtime.grpc.call_spans import span_of
from runtime.telemetry.tracing.settings import TracingSettings
from runtime.telemetry.tracing.tracer import TRACER

OFF = "tracing off"
# The share of sampled traces; None: no endpoint. None are sampled then either, so that the lines of the logs, which
# follow sampled traces, are the same as with a share of 0.
SUBJECTS: Mapping[str, float | None] = {OFF: None, "tracing 0 %": 0.0, "tracing 1 %": 0.01, "tracing 100 %": 1.0}
METHOD = "/ordermesh.orders.v1.OrderService/CreateOrder"
TRACE = f"00-{'a' * 32}-{'b' * 16}-0"
# As many as Envoy sends.
OTHER_METADATA = tuple((f"x-header-{number}", "value") for number in range(8))
CALLS = 50_000
# Orders a second, about half of what two cores do.
RATE = 512
LOADS = (GRPC, REST_HTTP2)


def prices(turns: int, seconds: float) -> Iterator[Run]:
    """Yield the cost of each subject over REST and gRPC, in many short turns.

    All of them run and get the same rate: other work of the machine meets all alike, and batches have the same sizes.
    """
    with contextlib.ExitStack() as held:
        endpoint = held.enter_context(span_sink())
        subjects = [held.enter_context(product(name, **settings(share, endpoint))) for name, share in SUBJECTS.items()]
        for turn in range(turns + 1):
            for subject, load in product_of(subjects, LOADS):
                found = measured(subject, load, round(RATE * seconds), RATE // load.connections)
                # The first turn fills caches.
                if turn:
                    yield found


def settings(share: float | None, endpoint: str) -> dict[str, Any]:
    """Return the settings of a stack that samples a share."""
    if share is None:
        return {"traces_sampler_arg": 0.0}
    return {"traces_sampler_arg": share, "otlp_endpoint": endpoint}


def calls() -> Iterator[Stage]:
    """Yield what a call costs in Python: with tracing off, of a trace that is not sampled, and of one that is."""
    yield one_call("call, tracing off", "0")
    with span_sink() as endpoint, TRACER.started("bench", TracingSettings(otlp_endpoint=endpoint)):
        yield one_call("call, not sampled", "0")
        yield one_call("call, sampled and sent", "1")


def one_call(name: str, flag: str) -> Stage:
    """Return the cost of the span of a call, with the thread that sends it."""
    metadata = (*OTHER_METADATA, ("traceparent", TRACE + flag))

    def call() -> None:
        span = span_of(METHOD, metadata)
        if span is not None:
            span.end("OK")

    seconds, cpu_us = timed(call)
    return Stage(name, CALLS, seconds, CALLS / seconds, {"orders": cpu_us}, {})


def timed(call: Callable[[], None]) -> tuple[float, float]:
    """Return the seconds and the CPU µs per call; the pauses let the sending thread keep up."""
    began, before = time.monotonic(), time.process_time()
    for number in range(CALLS):
        call()
        if not number % 500:
            time.sleep(0.01)
    time.sleep(1.5)
    spent = time.process_time() - before
    return time.monotonic() - began, round(spent / CALLS * 1e6, 3)
