"""Maps errors to gRPC statuses with details, in one place."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status
from ordermesh.orders.v1.errors_pb2 import ErrorReason

from runtime import errors
from runtime.grpc import rest_field_names
from runtime.postgres.sqlstates import ClientError, classify
from runtime.telemetry.logging import logger


def as_service_error(error: Exception, trace_id: str) -> errors.ServiceError:
    """Return the error for the client: a ServiceError unchanged, database errors classified, others as internal."""
    if isinstance(error, errors.ServiceError):
        return error
    client_error = classify(error).client_error
    if client_error is ClientError.OVERLOADED:
        return errors.Overloaded()
    if client_error is ClientError.UNAVAILABLE:
        logger().warning("database unavailable", error=str(error), trace_id=trace_id)
        return errors.database_unavailable()
    logger().error("handler failed", trace_id=trace_id, exc_info=error)
    return errors.ServiceError(ErrorReason.INTERNAL_FAULT, "internal error", metadata={"trace_id": trace_id})


def to_status(error: errors.ServiceError, *, over_rest: bool = False) -> Status:
    """Return the error as google.rpc.Status with details; fields have their JSON names for REST clients."""
    rename = rest_field_names.in_json if over_rest else str
    status = Status(code=error.code.value[0], message=rename(error.message))
    status.details.add().Pack(
        error_details_pb2.ErrorInfo(
            reason=ErrorReason.Name(error.reason), domain=errors.DOMAIN, metadata=error.metadata
        )
    )
    if error.violations:
        shown = error.violations[: errors.SHOWN_VIOLATIONS]
        status.details.add().Pack(
            error_details_pb2.BadRequest(
                field_violations=[
                    error_details_pb2.BadRequest.FieldViolation(
                        field=rename(v.field), description=rename(v.description)
                    )
                    for v in shown
                ]
            )
        )
    if error.retry_ms is not None:
        delay = Duration()
        delay.FromMilliseconds(error.retry_ms)
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    return status
