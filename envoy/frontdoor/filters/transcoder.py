"""The transcoder filter: REST and JSON to gRPC and protobuf."""

from __future__ import annotations

from typing import Literal

from frontdoor import public_services
from frontdoor.config import Config, typed
from frontdoor.filters import transcoder_image
from frontdoor.policies import limits

Stream = Literal["array", "lines", "events"]


def configuration(*, stream: Stream = "array") -> Config:
    """Return the configuration of the transcoder; `stream` is the JSON form of streams.

    The descriptor set is embedded, so that the configuration is one file, can be validated anywhere, and always matches
    the contracts. Its field names are the JSON names (frontdoor.filters.transcoder_image).
    """
    printing = {"always_print_primitive_fields": True, "preserve_proto_field_names": True}
    if stream != "array":
        printing |= {"stream_newline_delimited": True, "stream_sse_style_delimited": stream == "events"}
    return typed(
        "envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder",
        proto_descriptor_bin=transcoder_image.encoded(),
        services=list(public_services.PUBLIC_SERVICES),
        print_options=printing,
        convert_grpc_status=True,
        request_validation_options={
            "reject_unknown_method": True,
            "reject_unknown_query_parameters": True,
            # A field of the path must not be in the body.
            "reject_binding_body_field_collisions": True,
        },
        max_request_body_size=limits.BATCH_BODY_BYTES,
        max_response_body_size=limits.RESPONSE_BYTES,
    )
