"""Errors as gRPC statuses."""

from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from ordermesh.orders.v1.errors_pb2 import ErrorReason

from runtime import errors
from runtime.errors import InvalidRequest, Violation
from runtime.grpc import error_mapping


def test_twenty_violations_are_shown_all_are_counted_and_the_reply_fits_into_metadata() -> None:
    rule = "must have 1 to 64 characters of A-Z a-z 0-9 . _ -"
    many = [Violation(f"items[{n}].product_id", rule) for n in range(3000)]
    status = error_mapping.to_status(InvalidRequest(many))
    info, bad = ErrorInfo(), BadRequest()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(bad)
    assert (info.reason, info.domain, info.metadata["violations"]) == ("INVALID_FIELD", "ordermesh", "3000")
    assert [v.field for v in bad.field_violations] == [v.field for v in many[:20]]
    assert status.message.startswith("at least 3000 fields are invalid: items[0].product_id: ")
    assert len(status.SerializeToString()) + len(status.message) < 8192


def test_every_error_has_one_reason_and_those_to_be_tried_again_a_delay() -> None:
    for error, delay in ((errors.Overloaded(), 0.1), (errors.database_unavailable(), 1.0), (errors.Expired(), None)):
        status = error_mapping.to_status(error)
        assert status.code == error.code.value[0]
        assert status.details[0].type_url.endswith("google.rpc.ErrorInfo")
        retry = RetryInfo()
        found = [each for each in status.details[1:] if each.Unpack(retry)]
        assert (retry.retry_delay.ToTimedelta().total_seconds() if found else None) == delay
    assert ErrorReason.Name(errors.OutcomeUnknown().reason) == "OUTCOME_UNKNOWN"
