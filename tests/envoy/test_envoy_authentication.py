"""Callers at the front proxy: keys and tokens, the roles of methods, forged identities, and ways around."""

from __future__ import annotations

import base64
import json
import os
import socket
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import grpc
import pytest
from envoy_backend import ORDERS, Backend
from envoy_front import Answer, Front, reason_of
from frontdoor.filters.authentication import keys_resource
from frontdoor.policies.identity import CLIENT_HEADER, Keys
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from ordermesh.analytics.v1 import analytics_pb2, analytics_pb2_grpc
from ordermesh.orders.v1 import orders_pb2, orders_pb2_grpc
from waiting import await_true

CUSTOMER, OPERATOR, ANALYST = "om_customer", "om_operator", "om_analyst"
CLIENTS = {CUSTOMER: "customer:grace", OPERATOR: "operator:ops", ANALYST: "analyst:ann"}
BODY = '{"customerId":"grace"}'
JSON = {"content-type": "application/json"}
FORGED = [
    "x-ordermesh-client",
    "X-Ordermesh-Client",
    "x_ordermesh_client",
    "x-ordermesh_client",
    "x_ordermesh-client",
    "x-ordermesh-role",
    "x-ordermesh-subject",
]


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def write(path: Path, clients: dict[str, str]) -> None:
    """Put a file of keys in place, as the registry does."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(keys_resource(clients)))
    os.replace(fresh, path)


@pytest.fixture(scope="module")
def keys_file(folder: Path) -> Path:
    path = folder / "keys" / "keys.json"
    path.parent.mkdir()
    write(path, CLIENTS)
    return path


@pytest.fixture(scope="module")
def closed(folder: Path, backend: Backend, keys_file: Path) -> Iterator[Front]:
    """An Envoy that wants keys."""
    front = Front(folder, identity=Keys(str(keys_file)))
    yield front
    front.stop()


def reason(answer: Answer) -> str:
    return str(answer.json["details"][0]["reason"])


def refused(call: Any, *arguments: Any, **options: Any) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, **options)
    return caught.value


def test_a_call_without_credentials_is_refused_in_the_contracts_form(closed: Front) -> None:
    answer = closed.ask("POST", "/orders", JSON, BODY)
    assert (answer.status, answer.json["code"], reason(answer)) == (401, 16, "UNAUTHENTICATED")
    assert answer.headers["www-authenticate"] == 'Bearer realm="ordermesh"'
    with grpc.insecure_channel(closed.target) as channel:
        error = refused(orders_pb2_grpc.OrderServiceStub(channel).CreateOrder, orders_pb2.CreateOrderRequest())
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    assert reason_of(error) == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    "headers",
    [
        bearer(CUSTOMER),
        {"x-api-key": CUSTOMER},
        {"cookie": f"theme=dark; ordermesh_session={CUSTOMER}"},
    ],
)
def test_a_key_may_come_in_each_of_its_places_and_does_not_reach_a_service(
    closed: Front, backend: Backend, headers: dict[str, str]
) -> None:
    assert closed.ask("POST", "/orders", JSON | headers, BODY).status == 200
    assert backend.seen.metadata[CLIENT_HEADER] == "customer:grace"
    assert CUSTOMER not in str(backend.seen.metadata)


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Basic {CUSTOMER}"},
        {"authorization": CUSTOMER},
        {"authorization": f" {CUSTOMER}"},
        {"authorization": f"Bearer{CUSTOMER}"},
        {"authorization": "Bearer "},
        {"authorization": "Bearer"},
        {"authorization": f"Bearer {CUSTOMER} "[:-2]},
        {"authorization": f"Bearer {CUSTOMER.upper()}"},
        {"authorization": "Bearer " + "x" * 8000},
        {"authorization": "Bearer om_customer, Bearer om_operator"},
        {"x-api-key": ""},
        {"x-api-key": f"Bearer om_{'0' * 43}"},
        {"cookie": "ordermesh_session="},
        {"x-ordermesh-client": "operator:ops"},
    ],
)
def test_malformed_credentials_are_refused(closed: Front, headers: dict[str, str]) -> None:
    assert closed.ask("POST", "/orders", JSON | headers, BODY).status == 401


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "bEaReR"])
def test_the_scheme_of_a_key_has_no_case(closed: Front, backend: Backend, scheme: str) -> None:
    sent = {"authorization": f"{scheme} {CUSTOMER}"}
    assert closed.ask("POST", "/orders", JSON | sent, BODY).status == 200
    assert backend.seen.metadata[CLIENT_HEADER] == "customer:grace"
    assert CUSTOMER not in str(backend.seen.metadata)


SEVERAL: list[list[tuple[str, str]]] = [
    [("authorization", f"Bearer {CUSTOMER}"), ("x-api-key", OPERATOR)],
    [("authorization", f"Bearer {CUSTOMER}"), ("cookie", f"ordermesh_session={OPERATOR}")],
    [("authorization", f"Bearer {CUSTOMER}"), ("cookie", "theme=dark"), ("cookie", f"ordermesh_session={OPERATOR}")],
    [("x-api-key", CUSTOMER), ("cookie", f"theme=dark; ordermesh_session={CUSTOMER}")],
    [("cookie", f"ordermesh_session={CUSTOMER}; ordermesh_session={OPERATOR}")],
    [("cookie", f"ordermesh_session={CUSTOMER}"), ("cookie", f"ordermesh_session={OPERATOR}")],
    [("authorization", f"Bearer {CUSTOMER}"), ("authorization", f"Bearer {OPERATOR}")],
    [("authorization", f"Bearer {CUSTOMER}"), ("authorization", "Bearer")],
    [("x-api-key", CUSTOMER), ("x-api-key", OPERATOR)],
]


@pytest.mark.parametrize("headers", SEVERAL, ids=str)
def test_a_request_with_several_credentials_is_refused(
    closed: Front, backend: Backend, headers: list[tuple[str, str]]
) -> None:
    before = len(backend.seen.calls)
    connection = HTTPConnection("127.0.0.1", closed.port, timeout=15)
    connection.putrequest("GET", "/orders")
    for name, value in headers:
        connection.putheader(name, value)
    connection.endheaders()
    reply = connection.getresponse()
    told = json.loads(reply.read())
    connection.close()
    assert (reply.status, told["code"], told["details"][0]["reason"]) == (401, 16, "UNAUTHENTICATED")
    assert told["message"].startswith("no valid credentials: send one, ")
    assert reply.headers["www-authenticate"] == 'Bearer realm="ordermesh"'
    with grpc.insecure_channel(closed.target) as channel:
        stub = orders_pb2_grpc.OrderServiceStub(channel)
        error = refused(stub.CreateOrder, orders_pb2.CreateOrderRequest(), metadata=headers)
    assert reason_of(error) == "UNAUTHENTICATED"
    assert len(backend.seen.calls) == before


def test_every_reply_is_taken_for_what_its_content_type_says(closed: Front) -> None:
    asked = [
        ("/orders", {}),
        ("/orders", bearer(CUSTOMER)),
        ("/docs", {}),
        ("/healthz", {}),
        ("/nope", bearer(CUSTOMER)),
    ]
    asked += [("/orders", {"host": "other.example"})]
    for path, headers in asked:
        assert closed.ask("GET", path, headers).headers["x-content-type-options"] == "nosniff", (path, headers)


def test_a_role_may_call_its_methods_and_no_other(closed: Front) -> None:
    allowed = {
        (key, path): closed.ask("GET", path, bearer(key)).status
        for key in CLIENTS
        for path in (
            "/orders",
            "/v1/analytics/sales-summary",
            "/v1/products/p1",
            "/v1/pipeline/status:watch?intervalMs=2",
        )
    }
    assert allowed == {
        (OPERATOR, "/orders"): 200,
        (OPERATOR, "/v1/analytics/sales-summary"): 200,
        (OPERATOR, "/v1/products/p1"): 200,
        (OPERATOR, "/v1/pipeline/status:watch?intervalMs=2"): 200,
        (CUSTOMER, "/orders"): 200,
        (CUSTOMER, "/v1/analytics/sales-summary"): 403,
        (CUSTOMER, "/v1/products/p1"): 200,
        (CUSTOMER, "/v1/pipeline/status:watch?intervalMs=2"): 403,
        (ANALYST, "/orders"): 403,
        (ANALYST, "/v1/analytics/sales-summary"): 200,
        (ANALYST, "/v1/products/p1"): 200,
        (ANALYST, "/v1/pipeline/status:watch?intervalMs=2"): 200,
    }


def test_a_role_that_does_not_suffice_is_told_so_in_the_contracts_form(closed: Front, backend: Backend) -> None:
    before = len(backend.seen.calls)
    answer = closed.ask("POST", "/orders", JSON | bearer(ANALYST), BODY)
    assert (answer.status, answer.json["code"], reason(answer)) == (403, 7, "PERMISSION_DENIED")
    with grpc.insecure_channel(closed.target) as channel:
        stub = analytics_pb2_grpc.AnalyticsServiceStub(channel)
        key = (("authorization", f"Bearer {CUSTOMER}"),)
        error = refused(stub.GetSalesSummary, analytics_pb2.GetSalesSummaryRequest(), metadata=key)
    assert error.code() is grpc.StatusCode.PERMISSION_DENIED
    assert reason_of(error) == "PERMISSION_DENIED"
    assert len(backend.seen.calls) == before


@pytest.mark.parametrize("header", FORGED)
def test_a_forged_identity_is_removed_with_and_without_authentication(
    front: Front, closed: Front, backend: Backend, header: str
) -> None:
    forged = {header: "operator:root"}
    assert front.ask("POST", "/orders", JSON | forged, BODY).status == 200
    assert "operator:root" not in backend.seen.metadata.values()
    assert closed.ask("POST", "/orders", JSON | forged | bearer(CUSTOMER), BODY).status == 200
    assert backend.seen.metadata[CLIENT_HEADER] == "customer:grace"
    assert "operator:root" not in backend.seen.metadata.values()
    assert closed.ask("GET", "/v1/analytics/sales-summary", forged | bearer(CUSTOMER)).status == 403


@pytest.mark.parametrize("header", [name for name in FORGED if name.islower()])
def test_a_forged_identity_is_removed_from_grpc_calls(
    front: Front, closed: Front, backend: Backend, header: str
) -> None:
    forged = (header, "operator:root")
    for target, metadata in ((front, (forged,)), (closed, (forged, ("authorization", f"Bearer {CUSTOMER}")))):
        with grpc.insecure_channel(target.target) as channel:
            orders_pb2_grpc.OrderServiceStub(channel).CreateOrder(orders_pb2.CreateOrderRequest(), metadata=metadata)
        assert "operator:root" not in backend.seen.metadata.values()


# What an attacker without a key, or with a customer's, might reach the summary, or other services, with.
VARIANTS = [
    "/v1/analytics/sales-summary/",
    "//v1/analytics/sales-summary",
    "/v1//analytics/sales-summary",
    "/v1/analytics/sales-summary?",
    "/v1/analytics/sales-summary?x=/docs",
    "/v1/analytics/sales-summary#/docs",
    "/v1/analytics/%73ales-summary",
    "/v1/analytics%2Fsales-summary",
    "/v1%2fanalytics%2fsales-summary",
    "/V1/Analytics/Sales-Summary",
    "/v1/analytics/sales-summary;x",
    "/docs/../v1/analytics/sales-summary",
    "/docs/..%2fv1/analytics/sales-summary",
    "/static/../../v1/analytics/sales-summary",
    "/docs//../v1/analytics/sales-summary",
    "/./v1/analytics/sales-summary",
    "/v1/products/../analytics/sales-summary",
    "/ordermesh.analytics.v1.AnalyticsService/GetSalesSummary",
    "/grpc.health.v1.Health/../../ordermesh.analytics.v1.AnalyticsService/GetSalesSummary",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/ordermesh.internal.v1.OrderLedgerService/GetOrderProgress",
    "\\v1\\analytics\\sales-summary",
    "http://127.0.0.1/v1/analytics/sales-summary",
    "*",
]
HEADERS: list[dict[str, str]] = [
    {},
    {"x-envoy-original-path": "/docs"},
    {"x-original-url": "/v1/analytics/sales-summary"},
    {"x-rewrite-url": "/v1/analytics/sales-summary"},
    {"x-http-method-override": "GET"},
    {"x-forwarded-for": "127.0.0.1", "x-real-ip": "127.0.0.1"},
    {"x-envoy-internal": "true"},
    {"x-forwarded-client-cert": "By=spiffe://ordermesh;Subject=operator"},
    {"content-type": "application/grpc"},
    {"content-type": "application/grpc-web"},
    {"content-type": "application/grpc-web-text"},
    {"content-type": "application/json"},
    {"origin": "http://localhost:3000"},
    {"te": "trailers"},
]


def ask_raw(front: Front, method: str, path: str, headers: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
    """Send a path as it is."""
    connection = HTTPConnection("127.0.0.1", front.port, timeout=15)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        if method == "POST":
            connection.putheader("content-length", "5")
        connection.endheaders(b"\0\0\0\0\0" if method == "POST" else None)
        reply = connection.getresponse()
        return reply.status, reply.read(), {name.lower(): value for name, value in reply.getheaders()}
    finally:
        connection.close()


@pytest.mark.parametrize("key", [None, CUSTOMER], ids=["no key", "a customer's key"])
@pytest.mark.parametrize("path", VARIANTS)
def test_no_form_of_a_path_leads_around_the_roles(closed: Front, backend: Backend, path: str, key: str | None) -> None:
    """The backend's answers name a total; pages and errors do not."""
    for method in ("GET", "HEAD", "POST", "PUT", "OPTIONS"):
        for headers in HEADERS:
            sent = headers | ({} if key is None else bearer(key))
            status, body, told = ask_raw(closed, method, path, sent)
            assert b"ordersTotal" not in body, (method, path, headers)
            # A gRPC status of 0 is an answer of a service; health and reflection are open.
            assert told.get("grpc-status") != "0" or "/grpc." in path, (method, path, headers, status, body)


def test_pages_health_and_reflection_are_open(closed: Front) -> None:
    for path in ("/", "/docs", "/openapi.json", "/descriptor.binpb", "/healthz", "/static/home.js"):
        assert closed.ask("GET", path, {}).status == 200, path
    with grpc.insecure_channel(closed.target) as channel:
        health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        asked = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
        assert list(reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(asked))


def test_an_unknown_path_tells_a_stranger_nothing(closed: Front) -> None:
    assert closed.ask("GET", "/nope", {}).status == 401
    assert closed.ask("GET", "/nope", bearer(CUSTOMER)).status == 404


def test_a_page_of_this_machine_may_ask_before_it_sends_a_key(closed: Front) -> None:
    asked = {
        "origin": "http://localhost:3000",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
    }
    answer = closed.ask("OPTIONS", "/orders", asked)
    assert answer.status == 200
    assert "authorization" in answer.headers["access-control-allow-headers"]
    denied = closed.ask("POST", "/orders", JSON | {"origin": "http://localhost:3000"}, BODY)
    assert denied.status == 401
    assert denied.headers["access-control-allow-origin"] == "http://localhost:3000"


def test_grpc_web_is_refused_in_its_own_form(closed: Front) -> None:
    path = f"/{ORDERS}/CreateOrder"
    framed = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
    for sent, code, reason in ((framed, 16, "UNAUTHENTICATED"), (framed | bearer(ANALYST), 7, "PERMISSION_DENIED")):
        status, body, told = ask_raw(closed, "POST", path, sent)
        # In headers alone, which gRPC-Web allows; a client reads them with the status 200 only.
        assert (status, body, told["grpc-status"]) == (200, b"", str(code))
        rich = Status.FromString(base64.b64decode(told["grpc-status-details-bin"]))
        info = ErrorInfo()
        assert rich.details[0].Unpack(info)
        assert (rich.code, info.reason, info.domain) == (code, reason, "ordermesh")
    status, body, _ = ask_raw(closed, "POST", path, framed | bearer(CUSTOMER))
    assert (status, b"grpc-status:0" in body) == (200, True)


def test_a_revoked_key_ends_and_a_new_one_begins_without_a_dropped_call(
    start_front: Callable[..., Front], tmp_path: Path
) -> None:
    keys = tmp_path / "keys.json"
    write(keys, CLIENTS)
    front = start_front(identity=Keys(str(keys)))
    connections = {key: HTTPConnection("127.0.0.1", front.port, timeout=15) for key in (CUSTOMER, OPERATOR, "om_new")}

    def status_of(key: str) -> int:
        connection = connections[key]
        connection.request("POST", "/orders", BODY, JSON | bearer(key))
        reply = connection.getresponse()
        reply.read()
        return reply.status

    assert [status_of(key) for key in connections] == [200, 200, 401]
    connected = connections[OPERATOR].sock
    left = {key: client for key, client in CLIENTS.items() if key != CUSTOMER}
    write(keys, left | {"om_new": "customer:new"})

    def changed() -> bool:
        # The calls of others go on meanwhile.
        assert status_of(OPERATOR) == 200
        return (status_of(CUSTOMER), status_of("om_new")) == (401, 200)

    await_true(changed, lambda: "the keys did not change")
    # On the same connection.
    assert connections[OPERATOR].sock is connected
    for connection in connections.values():
        connection.close()


def test_a_broken_file_of_keys_keeps_the_keys_before(start_front: Callable[..., Front], tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    write(keys, CLIENTS)
    front = start_front(identity=Keys(str(keys)))
    rejected = "extension_config_discovery.http_filter.credentials.update_failure"
    assert front.statistic(rejected) == 0
    fresh = tmp_path / "fresh"
    fresh.write_text("{")
    os.replace(fresh, keys)
    await_true(lambda: front.statistic(rejected) > 0, lambda: front.log.read_text()[-500:])
    assert front.ask("POST", "/orders", JSON | bearer(CUSTOMER), BODY).status == 200
    assert front.ask("POST", "/orders", JSON, BODY).status == 401


def test_the_access_log_names_the_caller_and_no_key(closed: Front) -> None:
    closed.ask("POST", "/orders", JSON | bearer(CUSTOMER) | {"x-request-id": "of-grace"}, BODY)
    line = closed.access_line("of-grace")
    assert line["envoy.caller"] == "customer:grace"
    assert CUSTOMER not in json.dumps(line)


IN_QUERIES = [
    "/orders?api_key={}",
    "/orders?token={}&pageSize=1",
    "/v1/analytics/sales-summary?access_token={}",
    "/docs?key={}#{}",
    "/nope?{}",
    "/?a=?{}",
    "http://127.0.0.1/orders?api_key={}",
    f"/{ORDERS}/GetOrder?authorization=Bearer%20{{}}",
    "/ordermesh.internal.v1.OrderLedgerService/GetOrderProgress?{}",
    "/orders/\tx?{}",
]


@pytest.mark.parametrize("number", range(len(IN_QUERIES)))
@pytest.mark.parametrize("key", [None, CUSTOMER], ids=["no key", "a customer's key"])
def test_the_access_log_holds_no_credential_of_a_query_or_a_referrer(
    closed: Front, number: int, key: str | None
) -> None:
    secret = f"om_in-a-query-{number}"
    marked = {"x-request-id": f"query-{number}-{key}", "referer": f"https://shop.example/?{secret}"}
    path = IN_QUERIES[number].replace("{}", secret)
    connection = socket.create_connection(("127.0.0.1", closed.port), 15)
    with connection:
        lines = [f"GET {path} HTTP/1.1", "host: localhost", "connection: close"]
        lines += [f"{name}: {value}" for name, value in (marked | ({} if key is None else bearer(key))).items()]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    # Each connection is logged, in the order of their ends, also what is no HTTP.
    closed.ask("GET", "/orders", {"x-request-id": f"after-{number}-{key}"})
    closed.access_line(f"after-{number}-{key}")
    assert secret not in closed.access_log.read_text()
    assert secret not in closed.log.read_text()
    # The page of the backend repeats what was asked.
    assert secret.encode() not in answer or answer.startswith(b"HTTP/1.1 200")
