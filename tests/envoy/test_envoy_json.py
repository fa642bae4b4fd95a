"""What docs/reference/rest.md says of the JSON that Envoy reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from envoy_backend import Backend
from envoy_front import Front
from google.protobuf import json_format
from ordermesh.orders.v1 import orders_pb2

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "rest.md"
ROW = re.compile(r"\| `(?P<body>.+?)` \| (?:400|[^`|]*`(?P<read>.+)`) \|")


def rows() -> list[tuple[str, str | None]]:
    """Return the bodies of the table, each with the JSON that it is read as; None where it is refused."""
    found = [ROW.fullmatch(line) for line in DOCUMENT.read_text().splitlines() if line.startswith("| `")]
    assert all(found), "a line of the table cannot be read"
    return [(row["body"], row["read"]) for row in found if row]


@pytest.mark.parametrize(("body", "read"), rows())
def test_json_is_read_as_it_is_documented(front: Front, backend: Backend, body: str, read: str | None) -> None:
    before = len(backend.seen.calls)
    answer = front.post("/orders", body)
    if read is None:
        assert (answer.status, answer.json["details"][0]["reason"]) == (400, "MALFORMED_REQUEST")
        assert len(backend.seen.calls) == before
    else:
        assert answer.status == 200
        assert backend.seen.request == json_format.Parse(read, orders_pb2.CreateOrderRequest())
