"""Forged tokens through the front proxy: what an attacker changes is refused by name, and nothing fails."""

from __future__ import annotations

import base64
import json
import subprocess
import urllib.parse
from typing import Any

import pytest
from front_proxy import Platform
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ordermesh.internal.v1.page_token_pb2 import PageToken

LISTS = ["/orders", "/v1/orders", "/v1/products", "/v1/analytics/metrics"]
WATCHES = ["/v1/orders:watchLines", "/v1/analytics:watchLines"]
FIRST_ID = bytes(16)
CASES = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def refused_field(platform: Platform, path: str, *options: str) -> str:
    """Return the field that a call was refused for, as INVALID_ARGUMENT."""
    answer = platform.curl(path, "--max-time", "20", *options)
    assert answer.status == 400, (path, answer)
    reply: dict[str, Any] = answer.json[0] if isinstance(answer.json, list) else answer.json
    error = reply.get("error", reply)
    assert error["code"] == 3, reply
    violations = [v["field"] for each in error["details"] for v in each.get("fieldViolations", ())]
    (field,) = violations
    return str(field)


def query(path: str, **parameters: str) -> str:
    return f"{path}?{urllib.parse.urlencode(parameters)}"


def unsigned(content: PageToken) -> str:
    return base64.urlsafe_b64encode(content.SerializeToString()).rstrip(b"=").decode()


@pytest.mark.parametrize("path", LISTS)
def test_a_position_that_a_client_made_up_is_refused(platform: Platform, path: str) -> None:
    for content in (
        PageToken(version=1, order_id=FIRST_ID, key="p1"),
        PageToken(version=2, order_id=FIRST_ID, key="p1"),
    ):
        for forged in (unsigned(content), base64.urlsafe_b64encode(b"s" * 16 + content.SerializeToString()).decode()):
            assert refused_field(platform, query(path, pageToken=forged)) == "pageToken"


@pytest.mark.parametrize("path", LISTS)
@CASES
@given(
    forged=st.text(min_size=1, max_size=80) | st.binary(min_size=1).map(lambda b: base64.urlsafe_b64encode(b).decode())
)
def test_any_text_as_a_page_token_is_refused_by_name(platform: Platform, path: str, forged: str) -> None:
    answer = platform.curl(query(path, pageToken=forged.encode("utf-8", "replace").decode()))
    assert answer.status == 400, (forged, answer)
    assert answer.json["code"] == 3


def test_a_token_of_another_method_or_with_one_bit_changed_is_refused(platform: Platform) -> None:
    for _ in range(2):
        platform.order("cust-tokens")
    own = platform.curl(query("/v1/orders", customerId="cust-tokens", pageSize="1")).json["nextPageToken"]
    again = query("/v1/orders", customerId="cust-tokens", pageSize="1", pageToken=own)
    assert platform.curl(again).status == 200
    for path in ("/orders", "/v1/products"):
        assert refused_field(platform, query(path, pageToken=own)) == "pageToken"
    raw = base64.urlsafe_b64decode(own + "=" * (-len(own) % 4))
    for at in range(0, 8 * len(raw), 7):
        changed = bytearray(raw)
        changed[at // 8] ^= 1 << at % 8
        text = base64.urlsafe_b64encode(changed).rstrip(b"=").decode()
        assert refused_field(platform, again.replace(urllib.parse.quote(own), text)) == "pageToken"


@pytest.mark.parametrize("path", WATCHES)
@pytest.mark.parametrize("forged", ["nonsense", "CAESEDAxMjM0NTY3ODlhYmNkZWYaAQA", "A" * 43])
def test_a_made_up_revision_is_refused_by_the_name_of_its_field(platform: Platform, path: str, forged: str) -> None:
    assert refused_field(platform, query(path, afterRevision=forged)) == "afterRevision"
    assert refused_field(platform, path, "-H", f"last-event-id: {forged}") == "last-event-id"


def test_a_revision_of_one_stream_is_none_of_another(platform: Platform) -> None:
    revisions = {path: first_revision(platform, path) for path in WATCHES}
    orders, metrics = WATCHES
    assert refused_field(platform, query(orders, afterRevision=revisions[metrics])) == "afterRevision"
    assert refused_field(platform, query(metrics, afterRevision=revisions[orders])) == "afterRevision"


def first_revision(platform: Platform, path: str) -> str:
    with subprocess.Popen(["curl", "-sN", platform.stack.rest + path], stdout=subprocess.PIPE) as curl:
        assert curl.stdout is not None
        message = json.loads(curl.stdout.readline())
        curl.terminate()
    return str(message["revision"])
