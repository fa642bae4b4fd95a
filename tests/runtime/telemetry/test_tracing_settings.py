"""The settings of tracing, under their standard names."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.settings import GatewaySettings
from runtime.exit_codes import ExitCode
from runtime.settings import settings_of
from runtime.telemetry.tracing.settings import OtlpEndpoint, TracingSettings

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


def loaded(monkeypatch: pytest.MonkeyPatch, **variables: str) -> TracingSettings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return TracingSettings.load()


def test_nothing_is_exported_by_default_and_one_trace_in_a_hundred_is_sampled() -> None:
    settings = TracingSettings()
    assert settings.otlp is None
    assert settings.sampled_share == 0.01
    assert settings.environment() == {}


@pytest.mark.parametrize(
    ("given", "target", "secure"),
    [
        ("http://collector:4317", "collector:4317", False),
        ("http://collector", "collector:4317", False),
        ("https://collector:443/", "collector:443", True),
        ("http://[::1]:4317", "[::1]:4317", False),
        ("collector:4317", "collector:4317", True),
        ("unix:/run/otlp.sock", "unix:/run/otlp.sock", False),
    ],
)
def test_an_endpoint_is_an_address_with_or_without_tls(
    monkeypatch: pytest.MonkeyPatch, given: str, target: str, secure: bool
) -> None:
    found = loaded(monkeypatch, **{ENDPOINT: given}).otlp
    assert found is not None
    assert (found.target, found.secure) == (target, secure)


def test_an_endpoint_without_a_scheme_is_insecure_when_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    found = loaded(monkeypatch, **{ENDPOINT: "collector:4317", "OTEL_EXPORTER_OTLP_INSECURE": "true"}).otlp
    assert found == OtlpEndpoint("", "collector", 4317, False, None, {})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        (ENDPOINT, "ftp://collector:4317"),
        (ENDPOINT, "http://collector:port"),
        (ENDPOINT, "http://collector:4317/v1/traces"),
        (ENDPOINT, "http://user@collector:4317"),
        (ENDPOINT, "http://"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_TRACES_SAMPLER", "always_on"),
        ("OTEL_TRACES_SAMPLER_ARG", "2"),
        ("OTEL_RESOURCE_ATTRIBUTES", "no pair"),
    ],
)
def test_what_is_not_possible_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SystemExit) as ended:
        TracingSettings.load()
    assert ended.value.code == ExitCode.CONFIG
    told = capsys.readouterr().err
    assert variable in told
    assert value in told


def test_headers_are_read_and_never_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    given = {ENDPOINT: "https://traces.example", "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Basic%20s3cret, x = 1"}
    settings = loaded(monkeypatch, **given)
    assert settings.otlp is not None
    assert settings.otlp.headers == {"authorization": "Basic s3cret", "x": "1"}
    assert "s3cret" not in str(settings.shown())
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "s3cret")
    with pytest.raises(SystemExit):
        TracingSettings.load()
    told = capsys.readouterr().err
    assert "OTEL_EXPORTER_OTLP_HEADERS" in told
    assert "s3cret" not in told
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_HEADERS")
    (tmp_path / "headers").write_text("authorization=Bearer%20f\n")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS_FILE", str(tmp_path / "headers"))
    from_file = TracingSettings.load().otlp
    assert from_file is not None
    assert from_file.headers == {"authorization": "Bearer f"}


def test_tracing_is_disabled_whatever_the_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded(monkeypatch, **{ENDPOINT: "http://collector", "OTEL_SDK_DISABLED": "true"}).otlp is None


@pytest.mark.parametrize(
    ("sampler", "share"),
    [("parentbased_always_on", 1.0), ("parentbased_always_off", 0.0), ("parentbased_traceidratio", 0.25)],
)
def test_the_sampler_is_a_share(monkeypatch: pytest.MonkeyPatch, sampler: str, share: float) -> None:
    given = {"OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": "0.25"}
    assert loaded(monkeypatch, **given).sampled_share == share


def test_a_stack_gives_its_programs_the_settings_but_not_one_name_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        ENDPOINT: "http://collector:4317",
        "OTEL_EXPORTER_OTLP_HEADERS": "a=b",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test%20one",
    }
    settings = loaded(monkeypatch, OTEL_SERVICE_NAME="shop", **given)
    assert settings.environment() == given
    assert settings.resource == {"deployment.environment.name": "test one"}
    assert settings_of("orders serve", given) == given
    assert settings_of("orders migrate", given) == {}


@pytest.mark.parametrize("url", ["traces/{trace_id}", "javascript:{trace_id}", "http://zipkin/traces/"])
def test_the_address_of_a_trace_is_that_of_a_page_for_each_trace(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    monkeypatch.setenv("ORDERMESH_TRACE_URL", url)
    with pytest.raises(SystemExit):
        GatewaySettings.load()
    assert "ORDERMESH_TRACE_URL: " in capsys.readouterr().err
