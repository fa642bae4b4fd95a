"""HTTP as RFC 9110 and RFC 9112 have it, on every path that the front proxy has."""

from __future__ import annotations

import gzip
import socket

import grpc
import pytest
from envoy_backend import Backend
from envoy_front import Answer, Front, reason_of
from frontdoor.values import LOOPBACK
from test_envoy_bindings import BINDINGS, Binding

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
PAGES = ("/", "/docs", "/docs/swagger-ui.css", "/static/home.js", "/openapi.json", "/descriptor.binpb", "/healthz")
STREAMS = {"/v1/orders:watch": "text/event-stream", "/v1/orders:watchLines": "application/json"}
CREATE = "/ordermesh.orders.v1.OrderService/CreateOrder"
JSON = "content-type: application/json"


def expected_methods() -> dict[str, set[str]]:
    """Return the methods of every path, as the contracts and the pages have them."""
    found: dict[str, set[str]] = {page: {"GET", "HEAD"} for page in PAGES}
    for binding in BINDINGS:
        found.setdefault(binding.path, set()).update({"GET", "HEAD"} if binding.verb == "GET" else {binding.verb})
    return {**found, CREATE: {"POST"}}


@pytest.mark.parametrize(("path", "methods"), expected_methods().items())
def test_a_method_that_a_path_does_not_have_is_405_with_those_that_it_has(
    front: Front, path: str, methods: set[str]
) -> None:
    for method in sorted(set(METHODS) - methods):
        answer = front.ask(method, path, {})
        assert answer.status == 405, (method, path, answer)
        assert set(answer.headers["allow"].split(", ")) == methods
        if method != "HEAD":
            assert (answer.json["code"], answer.json["details"][0]["reason"]) == (12, "METHOD_NOT_ALLOWED")
            assert method in answer.json["message"]


def test_the_statistics_are_read_only(front: Front) -> None:
    assert front.curl("/stats/prometheus", "-I", port=front.stats_port).status == 200
    answer = front.curl("/stats/prometheus", "-X", "POST", port=front.stats_port)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("http", ["--http1.1", "--http2-prior-knowledge", "--http1.0"])
@pytest.mark.parametrize(
    "path",
    ["/orders", "/orders?pageSize=2", "/v1/orders?pageSize=200", "/v1/products/p1", "/orders?customerId=refused",
     "/orders?colour=red", "/nope", "/docs", "/openapi.json", "/v1/analytics/sales-summary"],
)  # fmt: skip
def test_head_answers_as_get_does_without_a_body(front: Front, http: str, path: str) -> None:
    got, head = front.curl(path, http), front.curl(path, http, "-I")
    assert (head.status, head.body) == (got.status, b"")
    for name in ("content-type", "link"):
        assert head.headers.get(name) == got.headers.get(name)
    if "content-length" in head.headers and got.status == 200:
        assert int(head.headers["content-length"]) == len(got.body)


def test_after_head_a_connection_serves_the_next_request(front: Front) -> None:
    asked = b"HEAD /v1/orders?pageSize=200 HTTP/1.1\r\nhost: localhost\r\n\r\n"
    asked += b"HEAD /orders HTTP/1.1\r\nhost: localhost\r\n\r\n"
    last = b"GET /v1/products/p1 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    heads = raw(front, asked + last).split(b"\r\n\r\n")
    assert [head.split(b" ")[1] for head in heads[:3]] == [b"200"] * 3
    assert len(heads) == 4
    assert heads[3].startswith(b'{"productId":"p1"')


@pytest.mark.parametrize(("path", "content_type"), STREAMS.items())
@pytest.mark.parametrize("http", ["--http1.1", "--http2-prior-knowledge"])
def test_head_of_a_stream_ends_at_once(front: Front, path: str, content_type: str, http: str) -> None:
    answer = front.curl(path, "-I", http)
    assert (answer.status, answer.headers["content-type"]) == (200, content_type)
    assert "content-length" not in answer.headers


FORM = "application/x-www-form-urlencoded"
NOT_JSON: list[tuple[dict[str, str], str]] = [
    ({"content-type": FORM}, "{}"),
    ({"content-type": FORM}, ""),
    ({"content-type": "text/plain"}, "{}"),
    ({"content-type": "multipart/form-data; boundary=x"}, "{}"),
    ({"content-type": "application/xml"}, "{}"),
    ({"content-type": "application/jsonp"}, "{}"),
    ({"content-type": "application/json, text/plain"}, "{}"),
    ({}, "{}"),
    ({"content-type": "application/json", "content-encoding": "gzip"}, "{}"),
    ({"content-type": "application/json", "content-encoding": "br"}, "{}"),
    ({"content-encoding": "gzip"}, "{}"),
]


def assert_unsupported(answer: Answer) -> None:
    assert (answer.status, answer.json["code"]) == (415, 3), answer
    assert answer.json["details"][0]["reason"] == "UNSUPPORTED_MEDIA_TYPE"
    assert (answer.headers["accept"], answer.headers["accept-encoding"]) == ("application/json", "identity")


@pytest.mark.parametrize("binding", [one for one in BINDINGS if one.has_body], ids=lambda one: one.template)
def test_a_body_that_is_not_plain_json_is_415(front: Front, backend: Backend, binding: Binding) -> None:
    before = len(backend.seen.calls)
    for headers, body in NOT_JSON:
        assert_unsupported(front.ask(binding.verb, binding.path, headers, body))
    assert len(backend.seen.calls) == before


@pytest.mark.parametrize(("headers", "body"), NOT_JSON)
def test_it_is_415_over_http_2_too(front: Front, backend: Backend, headers: dict[str, str], body: str) -> None:
    before = len(backend.seen.calls)
    sent = [f"{name}: {value}" for name, value in ({"content-type": ""} | headers).items()]
    options = [word for line in sent for word in ("-H", line.strip())]
    assert_unsupported(front.curl("/orders", "--http2-prior-knowledge", *options, "-d", body))
    assert len(backend.seen.calls) == before


def test_a_body_in_chunks_without_a_type_is_415(front: Front) -> None:
    chunked = ("-H", "transfer-encoding: chunked", "-H", "content-type:", "-d", "{}")
    assert_unsupported(front.curl("/orders", "--http1.1", *chunked))


def test_a_415_names_what_would_be_read(front: Front) -> None:
    packed = front.access_log.parent / "packed.json.gz"
    packed.write_bytes(gzip.compress(b"{}"))
    answer = front.curl("/orders", "-H", "content-encoding: gzip", "-H", JSON, "--data-binary", f"@{packed}")
    assert answer.status == 415
    assert (answer.headers["accept"], answer.headers["accept-encoding"]) == ("application/json", "identity")


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8", "application/json ; a=b"],
)
def test_json_is_read_however_its_type_is_written(front: Front, content_type: str) -> None:
    assert front.curl("/orders", "-H", f"content-type: {content_type}", "-d", "{}").status == 200


@pytest.mark.parametrize("http", ["--http1.1", "--http2-prior-knowledge", "--http1.0"])
def test_a_request_without_a_body_needs_no_type(front: Front, http: str) -> None:
    assert front.curl("/v1/orders/A:cancel", "-X", "POST", http).json["orderId"] == "A"
    assert front.curl("/v1/orders/A:cancel", "-X", "POST", http, "-H", "content-length: 0").status == 200
    assert front.curl("/v1/orders/A:cancel", "-X", "POST", http, "-H", JSON).status == 200


def test_a_grpc_method_reads_grpc_only(front: Front) -> None:
    answer = front.post(CREATE, "{}")
    assert (answer.status, answer.headers["accept"]) == (415, "application/grpc")
    with grpc.insecure_channel(front.target) as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/ordermesh.nope.v1.Nope/Nope")(b"", timeout=10)
    assert (caught.value.code(), reason_of(caught.value)) == (grpc.StatusCode.UNIMPLEMENTED, "PATH_NOT_FOUND")


@pytest.mark.parametrize("headers", [b"", b"host: localhost\r\n"])
def test_http_1_0_is_served(front: Front, headers: bytes) -> None:
    reply = raw(front, b"GET /orders HTTP/1.0\r\n" + headers + b"\r\n")
    head, _, body = reply.partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == b"200"
    # HTTP/1.0 knows no chunks: the body ends with the connection.
    assert b"transfer-encoding" not in head
    assert body.startswith(b"[{")
    assert body.endswith(b"}]")
    posted = b"POST /orders HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: 2\r\n" + headers + b"\r\n{}"
    assert raw(front, posted).split(b" ")[1] == b"200"


def test_http_1_0_keeps_a_connection_when_it_is_asked_to(front: Front) -> None:
    asked = b"GET /v1/products/p1 HTTP/1.0\r\nconnection: keep-alive\r\n\r\n"
    last = b"GET /v1/products/p2 HTTP/1.0\r\n\r\n"
    with socket.create_connection((LOOPBACK, front.port), timeout=10) as connection:
        connection.sendall(asked)
        first = connection.recv(65536)
        assert b"connection: keep-alive" in first.lower()
        connection.sendall(last)
        assert b'"productId":"p2"' in everything(connection)


def test_a_client_that_waits_for_100_continue_is_told_to_go_on(front: Front) -> None:
    with socket.create_connection((LOOPBACK, front.port), timeout=10) as connection:
        connection.sendall(
            b"POST /orders HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 2\r\n"
            b"expect: 100-continue\r\nconnection: close\r\n\r\n"
        )
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"{}")
        assert everything(connection).startswith(b"HTTP/1.1 200 ")


def test_a_target_in_absolute_form_is_served(front: Front) -> None:
    asked = b"GET http://localhost/v1/products/p1 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    assert b'"productId":"p1"' in raw(front, asked)


def raw(front: Front, request: bytes) -> bytes:
    """Send bytes and return everything that comes until the connection ends."""
    with socket.create_connection((LOOPBACK, front.port), timeout=10) as connection:
        connection.sendall(request)
        return everything(connection)


def everything(connection: socket.socket) -> bytes:
    """Return what comes until the connection ends."""
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    return received
