"""Request ids and W3C trace context: propagated or generated, sent upstream and returned to the client."""

from __future__ import annotations

from frontdoor import clusters
from frontdoor.config import Config, extension, seconds, typed
from frontdoor.policies.tracing import Tracing
from runtime.telemetry.tracing import names
from runtime.telemetry.tracing.settings import OtlpEndpoint

TRACEPARENT = "traceparent"
# Temporary headers of the early header mutation.
SHORTENED, CHECKED = "x-ordermesh-traceparent-56", "x-ordermesh-traceparent"
# Spans that wait to be sent; more are dropped.
MAX_CACHED_SPANS, BATCH_SPANS = 2048, 64
EXPORT_SECONDS = 5.0
MAX_PATH_CHARACTERS = 256
MILLION = 1_000_000
# Version 00; a later version may have more after another dash.
TRACEPARENT_CHARACTERS = 55
# Two expressions, because Envoy limits the size of each.
WELL_FORMED = ("^[0-9a-f]{2}-[0-9a-f]{32}-", "-[0-9a-f]{16}-[0-9a-f]{2}-?$")
ABSENT_IDS = ("-00000000000000000000000000000000-", "-0000000000000000-")


def request_ids() -> Config:
    """Return the handling of x-request-id: the id of a client is kept unchanged, UUID or not."""
    return {
        "generate_request_id": True,
        "preserve_external_request_id": True,
        "always_set_request_id_in_response": True,
        "request_id_extension": {
            "typed_config": typed(
                "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig",
                pack_trace_reason=False,
                use_request_id_for_trace_sampling=False,
            )
        },
    }


def tracing(policy: Tracing) -> Config:
    """Return the sampling and the propagation of trace context, and the export of spans.

    Without an endpoint the cluster has no address: the spans are dropped, and their ids are in the logs.
    """
    return {
        "provider": extension(
            "envoy.tracers.opentelemetry",
            "envoy.config.trace.v3.OpenTelemetryConfig",
            service_name=policy.service_name,
            grpc_service=collector(policy.endpoint),
            resource_detectors=[resource(policy)],
            sampler=sampler(policy.sampled_share),
            max_cache_size=MAX_CACHED_SPANS,
        ),
        # One span for a request: retries are rare, and the services have their own.
        "spawn_upstream_span": False,
        "max_path_tag_length": MAX_PATH_CHARACTERS,
    }


def collector(endpoint: OtlpEndpoint | None) -> Config:
    """Return the gRPC service that spans are sent to, with the headers of each call."""
    headers = {} if endpoint is None else endpoint.headers
    metadata = [{"key": name, "value": value} for name, value in headers.items()]
    service = {"envoy_grpc": {"cluster_name": clusters.COLLECTOR}, "timeout": seconds(EXPORT_SECONDS)}
    return {**service, "initial_metadata": metadata} if metadata else service


def resource(policy: Tracing) -> Config:
    """Return the attributes of Envoy's resource besides its name."""
    return extension(
        "envoy.tracers.opentelemetry.resource_detectors.static_config",
        "envoy.extensions.tracers.opentelemetry.resource_detectors.v3.StaticConfigResourceDetectorConfig",
        attributes={names.SERVICE_NAMESPACE: names.NAMESPACE, **policy.resource},
    )


def sampler(share: float) -> Config:
    """Return the sampler: traces that a client sampled, and a share of those that no client started."""
    samplers = "envoy.extensions.tracers.opentelemetry.samplers.v3"
    ratio = extension(
        "envoy.tracers.opentelemetry.samplers.trace_id_ratio_based",
        f"{samplers}.TraceIdRatioBasedSamplerConfig",
        sampling_percentage={"numerator": round(share * MILLION), "denominator": "MILLION"},
    )
    return extension(
        "envoy.tracers.opentelemetry.samplers.parent_based",
        f"{samplers}.ParentBasedSamplerConfig",
        wrapped_sampler=ratio,
    )


def runtime_values() -> Config:
    """Return how Envoy sends spans: in batches, at least once a second."""
    return {"tracing.opentelemetry.min_flush_spans": BATCH_SPANS, "tracing.opentelemetry.flush_interval_ms": 1000}


def malformed_ignored() -> list[Config]:
    """Return the removal of a malformed traceparent: the tracer would propagate it and start no trace.

    A later version of the header is shortened to the fields of version 00, as W3C Trace Context requires. The tracer
    drops a tracestate without a traceparent.
    """
    temporary = [{"remove": name} for name in (SHORTENED, CHECKED)]
    return [
        *temporary,
        append(SHORTENED, f"%REQ({TRACEPARENT}):{TRACEPARENT_CHARACTERS + 1}%"),
        append(CHECKED, shortened_if_valid()),
        {"remove": TRACEPARENT},
        append(TRACEPARENT, f"%REQ({CHECKED}):{TRACEPARENT_CHARACTERS}%"),
        *temporary,
    ]


def shortened_if_valid() -> str:
    """Return an expression for the prefix of the traceparent, empty when it is missing or malformed."""
    whole, known = f"request.headers['{TRACEPARENT}']", f"request.headers['{SHORTENED}']"
    later = f"!{known}.startsWith('00') && size({known}) == {TRACEPARENT_CHARACTERS + 1}"
    conditions = [f"'{TRACEPARENT}' in request.headers", f"(size({whole}) == {TRACEPARENT_CHARACTERS} || {later})"]
    conditions += [f"{known}.matches('{pattern}')" for pattern in WELL_FORMED]
    conditions += [f"!{known}.contains('{absent}')" for absent in ABSENT_IDS]
    return f"%CEL({' && '.join(conditions)} && !{known}.startsWith('ff') ? {known} : '')%"


def echo() -> Config:
    """Return the filter that returns the traceparent to every client, also in local replies."""
    return extension(
        "envoy.filters.http.header_mutation",
        "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
        mutations={
            "request_mutations": [append(TRACEPARENT, "00-%TRACE_ID%-%SPAN_ID%-00")],
            "response_mutations": [append(TRACEPARENT, f"%REQ({TRACEPARENT})%")],
        },
    )


def append(name: str, value: str) -> Config:
    """Return the setting of a missing header; an empty value sets nothing."""
    return {"append": {"header": {"key": name, "value": value}, "append_action": "ADD_IF_ABSENT"}}
