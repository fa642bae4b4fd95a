"""The exporter of spans, to a collector that takes them, refuses them, comes late or never."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from otlp_receiver import OtlpReceiver, otlp_receiver
from prometheus_client import REGISTRY
from waiting import await_true

from runtime.exit_codes import ExitCode
from runtime.telemetry.tracing import exporter as exporting
from runtime.telemetry.tracing.exporter import MAX_QUEUED_SPANS, Exporter
from runtime.telemetry.tracing.otlp import Envelope, Kind, SpanType
from runtime.telemetry.tracing.settings import TracingSettings
from runtime.telemetry.tracing.tracer import Tracer, new_trace

ONE = SpanType("one", Kind.INTERNAL, {})


def span() -> bytes:
    trace = new_trace()
    return ONE.encode(trace.trace_id, trace.span_id, "", (1, 2))


def exporter_to(endpoint: str, **settings: str) -> Exporter:
    found = TracingSettings(otlp_endpoint=endpoint, **settings).otlp  # type: ignore[arg-type]
    assert found is not None
    return Exporter(found, Envelope({"service.name": "test"}, "test", "1"))


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"ordermesh_spans_{name}_total", labels) or 0.0


@pytest.fixture
def collector() -> Iterator[OtlpReceiver]:
    with otlp_receiver() as receiver:
        yield receiver


def test_spans_arrive_with_the_headers_and_are_counted(collector: OtlpReceiver) -> None:
    before = counted("exported")
    exporter = exporter_to(collector.endpoint, otlp_headers="x-tenant=shop%201")
    for _ in range(3):
        exporter.add(span())
    await_true(lambda: len(collector.spans) == 3, "the spans arrive without a flush")
    exporter.close()
    assert collector.calls[0]["x-tenant"] == "shop 1"
    assert counted("exported") == before + 3


def test_what_is_queued_is_sent_at_the_end(collector: OtlpReceiver) -> None:
    exporter = exporter_to(collector.endpoint)
    for _ in range(1000):
        exporter.add(span())
    exporter.close(seconds=30)
    assert len(collector.spans) == 1000


def test_a_full_queue_drops_and_counts_and_does_not_block(monkeypatch: pytest.MonkeyPatch) -> None:
    held = threading.Event()
    monkeypatch.setattr(Exporter, "_flush", lambda self: held.wait(60))
    before, dropped = counted("dropped", reason="shutdown"), counted("dropped", reason="queue_full")
    exporter = exporter_to("http://127.0.0.1:1")
    for _ in range(MAX_QUEUED_SPANS + 5):
        exporter.add(b"")
    assert counted("dropped", reason="queue_full") == dropped + 5
    held.set()
    exporter.close()
    assert counted("dropped", reason="shutdown") == before + MAX_QUEUED_SPANS


def test_spans_wait_for_a_collector_that_is_not_there_yet(
    collector: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting.BACKOFF.__class__, "delay_seconds", lambda *_: 0.01)
    collector.refuse_with = grpc.StatusCode.UNAVAILABLE
    exporter = exporter_to(collector.endpoint)
    exporter.add(span())
    await_true(lambda: len(collector.calls) > 2, "the exporter tries again")
    collector.refuse_with = None
    await_true(lambda: collector.spans, "the span arrives")
    exporter.close()
    assert len(collector.spans) == 1


def test_spans_that_the_collector_refuses_are_dropped_and_counted(collector: OtlpReceiver) -> None:
    before = counted("dropped", reason="not_accepted")
    collector.refuse_with = grpc.StatusCode.INVALID_ARGUMENT
    exporter = exporter_to(collector.endpoint)
    exporter.add(span())
    await_true(lambda: counted("dropped", reason="not_accepted") == before + 1, "the span is dropped")
    exporter.close()
    assert len(collector.calls) == 1


def test_the_end_does_not_wait_for_a_collector_that_does_not_answer() -> None:
    before = counted("dropped", reason="not_accepted")
    exporter = exporter_to("http://127.0.0.1:1")
    exporter.add(span())
    exporter.close(seconds=30)
    assert counted("dropped", reason="not_accepted") == before + 1


def test_without_an_endpoint_nothing_is_created(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.telemetry.tracing.tracer.Exporter", None)
    tracer, threads = Tracer(), threading.active_count()
    for settings in (TracingSettings(), TracingSettings(otlp_endpoint="http://127.0.0.1:1", sdk_disabled=True)):
        with tracer.started("test", settings):
            assert not tracer.enabled
            tracer.record(ONE, new_trace(), "", (1, 2))
            assert threading.active_count() == threads


def test_a_tracer_names_its_process(collector: OtlpReceiver) -> None:
    settings = TracingSettings(otlp_endpoint=collector.endpoint, resource_attributes="deployment.environment.name=x")
    tracer, trace, parent = Tracer(), new_trace(), new_trace()
    with tracer.started("orders", settings):
        tracer.record(ONE, trace, parent.span_id, (1, 2), (), [parent], "broken")
    (received,) = collector.spans
    assert (received.service, received.parent_id, received.failed) == ("orders", parent.span_id, True)
    assert received.links == [(parent.trace_id, parent.span_id)]
    assert received.resource["deployment.environment.name"] == "x"
    assert received.resource["service.instance.id"].startswith("orders@")
    assert not tracer.enabled


def test_a_certificate_that_cannot_be_read_ends_the_program_with_the_name_of_its_setting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = TracingSettings(otlp_endpoint="https://collector", otlp_certificate=tmp_path / "none.pem")
    with pytest.raises(SystemExit) as ended, Tracer().started("orders", settings):
        pass
    assert ended.value.code == ExitCode.CONFIG
    told = capsys.readouterr().err
    assert "OTEL_EXPORTER_OTLP_CERTIFICATE" in told
    assert "none.pem" in told
