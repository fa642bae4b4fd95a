"""Request ids and W3C trace context: passed on or made, sent upstream, told to the client."""

from __future__ import annotations

from frontdoor import clusters
from frontdoor.config import Config, extension, typed

TRACEPARENT = "traceparent"
# Only while a request arrives.
SHORTENED, CHECKED = "x-ordermesh-traceparent-56", "x-ordermesh-traceparent"
# Of the traces that no client began.
SAMPLED_PERCENT = 1
# Of version 00; a later version may have more behind another dash.
TRACEPARENT_CHARACTERS = 55
# In two expressions, since Envoy bounds the size of each.
WELL_FORMED = ("^[0-9a-f]{2}-[0-9a-f]{32}-", "-[0-9a-f]{16}-[0-9a-f]{2}-?$")
ABSENT_IDS = ("-00000000000000000000000000000000-", "-0000000000000000-")


def request_ids() -> Config:
    """Return how requests are named: a client's id is kept as it is, whether it is a UUID or not."""
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


def tracing() -> Config:
    """Return the propagation of trace context; its spans go nowhere, since the logs carry the ids."""
    return {
        "provider": extension(
            "envoy.tracers.opentelemetry",
            "envoy.config.trace.v3.OpenTelemetryConfig",
            service_name="envoy",
            grpc_service={"envoy_grpc": {"cluster_name": clusters.COLLECTOR}},
            sampler=sampler(),
        )
    }


def sampler() -> Config:
    """Return which traces are sampled: those that a client sampled, and few of those that none began."""
    samplers = "envoy.extensions.tracers.opentelemetry.samplers.v3"
    few = extension(
        "envoy.tracers.opentelemetry.samplers.trace_id_ratio_based",
        f"{samplers}.TraceIdRatioBasedSamplerConfig",
        sampling_percentage={"numerator": SAMPLED_PERCENT},
    )
    return extension(
        "envoy.tracers.opentelemetry.samplers.parent_based",
        f"{samplers}.ParentBasedSamplerConfig",
        wrapped_sampler=few,
    )


def malformed_ignored() -> list[Config]:
    """Return the removal of a traceparent that is none: the tracer would pass it on and begin no trace.

    Of a later version of the header, what version 00 knows is kept, as W3C Trace Context says. A tracestate without a
    traceparent is dropped by the tracer.
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
    """Return an expression for the start of the traceparent, empty when there is none or a malformed one."""
    whole, known = f"request.headers['{TRACEPARENT}']", f"request.headers['{SHORTENED}']"
    later = f"!{known}.startsWith('00') && size({known}) == {TRACEPARENT_CHARACTERS + 1}"
    conditions = [f"'{TRACEPARENT}' in request.headers", f"(size({whole}) == {TRACEPARENT_CHARACTERS} || {later})"]
    conditions += [f"{known}.matches('{pattern}')" for pattern in WELL_FORMED]
    conditions += [f"!{known}.contains('{absent}')" for absent in ABSENT_IDS]
    return f"%CEL({' && '.join(conditions)} && !{known}.startsWith('ff') ? {known} : '')%"


def echo() -> Config:
    """Return the filter that tells every client its trace, also where Envoy itself replies and sends nothing on."""
    return extension(
        "envoy.filters.http.header_mutation",
        "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
        mutations={
            "request_mutations": [append(TRACEPARENT, "00-%TRACE_ID%-%SPAN_ID%-00")],
            "response_mutations": [append(TRACEPARENT, f"%REQ({TRACEPARENT})%")],
        },
    )


def append(name: str, value: str) -> Config:
    """Return the setting of a header that is not there yet; an empty value sets nothing."""
    return {"append": {"header": {"key": name, "value": value}, "append_action": "ADD_IF_ABSENT"}}
