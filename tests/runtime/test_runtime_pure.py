import os
import socket
from pathlib import Path

import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from ordermesh.orders.v1.errors_pb2 import ErrorReason

from runtime import errors, listen
from runtime.errors import InvalidRequest, Violation
from runtime.grpc import error_mapping
from runtime.postgres.queries import Queries
from runtime.telemetry import trace_context


def test_twenty_violations_are_shown_all_are_counted_and_the_reply_fits_into_metadata() -> None:
    rule = "must have 1 to 64 characters of A-Z a-z 0-9 . _ -"
    many = [Violation(f"items[{n}].product_id", rule) for n in range(3000)]
    status = error_mapping.to_status(InvalidRequest(many))
    info, bad = ErrorInfo(), BadRequest()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(bad)
    assert (info.reason, info.domain, info.metadata["violations"]) == ("INVALID_FIELD", "ordermesh", "3000")
    assert [v.field for v in bad.field_violations] == [v.field for v in many[:20]]
    assert status.message.startswith("3000 fields are invalid: items[0].product_id: ")
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


def test_queries_are_read_by_name_and_a_missing_one_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "sql_example"
    package.mkdir()
    (package / "__init__.py").touch()
    one, two = "-- name: one\n-- Says one.\nSELECT 1;\n", "-- name: two\n-- Says two.\nSELECT ';', 2;\n"
    (package / "q.sql").write_text(f"{one}\n{two}")
    monkeypatch.syspath_prepend(tmp_path)
    queries = Queries("sql_example", "q.sql")
    assert queries.names() == ["one", "two"]
    assert queries.one == "-- Says one.\nSELECT 1"
    assert queries.two.endswith("SELECT ';', 2")
    with pytest.raises(AttributeError, match=r"sql_example/q\.sql has no query three"):
        _ = queries.three


def test_addresses_that_are_none_and_paths_too_long_are_refused() -> None:
    assert listen.socket_path("127.0.0.1:80") is None
    assert listen.socket_path("unix:/tmp/x.sock") == Path("/tmp/x.sock")
    for text in ("", "80", "host:", ":80", "host:port"):
        with pytest.raises(ValueError, match="neither unix:/path nor host:port"):
            listen.socket_path(text)
    with pytest.raises(ValueError, match="longer than 107 bytes"):
        listen.socket_path("unix:/" + "ü" * 60)


def test_a_stale_socket_is_cleared_a_live_one_is_refused_and_the_mode_is_private(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    with listen.binding(f"unix:{path}"), socket.socket(socket.AF_UNIX) as live:
        assert not path.exists()
        live.bind(str(path))
        live.listen()
        assert path.stat().st_mode & 0o777 == 0o600
        with pytest.raises(OSError, match="another process listens"), listen.binding(f"unix:{path}"):
            pass
    before = os.umask(0o022)
    os.umask(before)
    assert before != 0o177
