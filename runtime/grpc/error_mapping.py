"""Maps errors to gRPC statuses with details, in one place."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status
from ordermesh.orders.v1.errors_pb2 import ErrorReason

from runtime import errors
from runtime.grpc import rest_field_names
from runtime.postgres.sqlstates import ClientError, classify
from runtime.telemetry.logging import logger
from runtime.telemetry.outage import Outage

# A status is sent in trailers, where clients accept 8 KiB in all. Envoy closes the connection to the service when a
# field has more than 64 KiB, and with it the streams of all other clients. A message, which is also in the details,
# takes up to three times its size there, details four thirds.
MESSAGE_BYTES, TEXT_BYTES, DETAILS_BYTES = 700, 200, 2_400
CUT = "..."
# Of calls that failed for it; the next one that succeeds ends it.
DATABASE_OUTAGE = Outage("answering calls")


def as_service_error(error: Exception, trace_id: str) -> errors.ServiceError:
    """Return the error for the client: a ServiceError unchanged, database errors classified, others as internal."""
    if isinstance(error, errors.ServiceError):
        return error
    client_error = classify(error).client_error
    if client_error is ClientError.OVERLOADED:
        return errors.Overloaded()
    if client_error is ClientError.UNAVAILABLE:
        DATABASE_OUTAGE.begins(error, component="postgres")
        return errors.database_unavailable()
    logger().error("handler failed", trace_id=trace_id, exc_info=error)
    return errors.ServiceError(ErrorReason.INTERNAL_FAULT, "internal error", metadata={"trace_id": trace_id})


def to_status(error: errors.ServiceError, *, over_rest: bool = False) -> Status:
    """Return the error as google.rpc.Status with details; fields have their JSON names for REST clients."""
    rename = rest_field_names.in_json if over_rest else str
    status = Status(code=error.code.value[0], message=shortened(rename(error.message), MESSAGE_BYTES))
    metadata = {key: shortened(value, TEXT_BYTES) for key, value in error.metadata.items()}
    status.details.add().Pack(
        error_details_pb2.ErrorInfo(reason=ErrorReason.Name(error.reason), domain=errors.DOMAIN, metadata=metadata)
    )
    if error.violations:
        renamed = (
            (rename(each.field), rename(each.description)) for each in error.violations[: errors.SHOWN_VIOLATIONS]
        )
        status.details.add().Pack(shown(renamed))
    if error.retry_ms is not None:
        delay = Duration()
        delay.FromMilliseconds(error.retry_ms)
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    return status


def shown(violations: Iterable[tuple[str, str]]) -> error_details_pb2.BadRequest:
    """Return the first violations, each a field and a description, as many as there is room for."""
    found = error_details_pb2.BadRequest()
    for field, description in violations:
        short = {"field": shortened(field, TEXT_BYTES), "description": shortened(description, TEXT_BYTES)}
        found.field_violations.add(**short)
        if found.ByteSize() > DETAILS_BYTES:
            del found.field_violations[-1]
            break
    return found


def shortened(text: str, most_bytes: int) -> str:
    """Return the text with at most so many bytes in UTF-8, and dots in place of the rest."""
    encoded = text.encode()
    if len(encoded) <= most_bytes:
        return text
    return encoded[: most_bytes - len(CUT)].decode(errors="ignore") + CUT
