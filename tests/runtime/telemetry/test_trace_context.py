"""Trace contexts of W3C, taken over or made new."""

import pytest

from runtime.telemetry import trace_context

GOOD = f"00-{'ab' * 16}-{'cd' * 8}-01"


BAD = ["", GOOD[:-1], GOOD + "0", GOOD.upper(), GOOD.replace("ab" * 16, "0" * 32), GOOD.replace("cd" * 8, "0" * 16)]


def test_a_trace_context_is_taken_over_as_it_is() -> None:
    trace = trace_context.from_metadata([("x", "y"), ("traceparent", GOOD)])
    assert (trace.traceparent, trace.trace_id, trace.sampled) == (GOOD, "ab" * 16, True)
    unsampled = trace_context.parse(GOOD[:-2] + "00")
    assert unsampled is not None
    assert not unsampled.sampled


@pytest.mark.parametrize("text", BAD)
def test_a_trace_context_that_is_none_is_made_new(text: str) -> None:
    assert trace_context.parse(text) is None
    first, second = (trace_context.from_metadata([("traceparent", text)]) for _ in range(2))
    assert first.trace_id != second.trace_id
    assert trace_context.parse(first.traceparent) == first
    assert trace_context.from_metadata(None).trace_id
