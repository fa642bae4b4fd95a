import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.reconciliation.verdict import Claim, Totals, judge
from loadgen.transports.answers import Outcome, classify
from loadgen.transports.http_reply import BadReply, HttpReply, parse_reply
from loadgen.transports.rest import read_reply
from loadgen.workload import PlannedOrder

PLAIN = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx: y\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 429 X\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;a=b\r\nlo\r\n0\r\n\r\n"


@given(st.sampled_from([PLAIN, CHUNKED]), st.data())
def test_a_reply_is_complete_only_with_its_last_byte(whole: bytes, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert parse_reply(whole[:cut]) is None
    reply = parse_reply(whole)
    assert reply is not None
    assert reply.body == b"hello"


@given(st.binary(max_size=200))
def test_random_bytes_are_never_a_reply(data: bytes) -> None:
    for head in (b"", b"HTTP/1.1 200 OK\r\n"):
        try:
            assert parse_reply(head + data) is None or head
        except BadReply:
            continue


@pytest.mark.parametrize(
    "received",
    [
        b"SSH-2.0-x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-5\r\n",
    ],
)
def test_what_cannot_be_a_reply_is_refused(received: bytes) -> None:
    with pytest.raises(BadReply):
        parse_reply(received)


def test_a_reply_that_closes_the_connection_says_so() -> None:
    reply = parse_reply(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nConnection: close\r\n\r\n")
    assert reply == HttpReply(200, b"", closing=True)


def error(code: int, reason: str) -> bytes:
    detail = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "ordermesh"}
    return json.dumps({"code": code, "message": "no", "details": [detail]}).encode()


@pytest.mark.parametrize(
    ("status", "body", "kind", "outcome"),
    [
        (400, error(3, "INVALID_FIELD"), "INVALID_ARGUMENT/INVALID_FIELD", Outcome.REFUSED),
        (429, b'{"code":8,"message":"rate limit exceeded"}', "RESOURCE_EXHAUSTED", Outcome.REFUSED),
        (503, error(14, "DATABASE_UNAVAILABLE"), "UNAVAILABLE/DATABASE_UNAVAILABLE", Outcome.REFUSED),
        (503, error(14, "OUTCOME_UNKNOWN"), "UNAVAILABLE/OUTCOME_UNKNOWN", Outcome.UNKNOWN),
        (504, b'{"code":4,"message":"late"}', "DEADLINE_EXCEEDED", Outcome.UNKNOWN),
        (503, b"upstream connect error", "HTTP_503", Outcome.UNKNOWN),
        (404, b"[]", "HTTP_404", Outcome.REFUSED),
        (200, b"{}", "bad_reply", Outcome.UNKNOWN),
        (200, b'{"orderId":"x"}', "bad_reply", Outcome.UNKNOWN),
        (200, b'{"orderId":"0199d3a4-7c1e-7b1c-8a55-1f0c8e5d2a91"}', "accepted", Outcome.ACCEPTED),
    ],
)
def test_a_rest_error_is_counted_by_code_and_reason(status: int, body: bytes, kind: str, outcome: Outcome) -> None:
    order = PlannedOrder(b"", "cust-1", 100)
    answer = read_reply(HttpReply(status, body, closing=False), order)
    assert (answer.kind, answer.outcome) == (kind, outcome)
    assert bool(order.order_id) is (outcome is Outcome.ACCEPTED)


def test_only_unavailable_is_tried_again() -> None:
    assert [code for code in range(17) if classify(code, "").retryable] == [14]


BEFORE = Totals(orders=100, revenue_minor=10_000, dead_letters=0)


@pytest.mark.parametrize(
    ("after", "claim", "agrees"),
    [
        (Totals(110, 12_000, 0), Claim(10, 2_000, 0), True),
        (Totals(109, 12_000, 0), Claim(10, 2_000, 0), False),
        (Totals(111, 12_000, 0), Claim(10, 2_000, 0), False),
        (Totals(110, 11_999, 0), Claim(10, 2_000, 0), False),
        (Totals(110, 12_001, 0), Claim(10, 2_000, 0), False),
        (Totals(112, 12_500, 0), Claim(10, 2_000, 2), True),
        (Totals(113, 12_500, 0), Claim(10, 2_000, 2), False),
        (Totals(110, 11_000, 0), Claim(10, 2_000, 2), False),
        (Totals(109, 11_800, 1), Claim(10, 2_000, 0), True),
        (Totals(108, 11_800, 1), Claim(10, 2_000, 0), False),
    ],
)
def test_totals_must_lie_between_acknowledged_and_acknowledged_plus_unanswered(
    after: Totals, claim: Claim, agrees: bool
) -> None:
    assert (judge(BEFORE, after, claim) == []) is agrees
