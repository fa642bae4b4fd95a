"""What a web page of another site can have a browser send, and what a client that is no browser sends."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import grpc
import pytest
from envoy_front import Front, reason_of
from frontdoor.values import EnvoyConfigError, EnvoyValues
from ordermesh.orders.v1 import orders_pb2, orders_pb2_grpc

JSON = ("-H", "content-type: application/json")
CANCEL = "/v1/orders/019a0000-0000-7000-8000-000000000000:cancel"
# Without a preflight request, a page sends one of these types, or no body and no type.
FORMS = [
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain",
    "text/plain;x=application/json",
]


def refused(front: Front, path: str, *options: str) -> tuple[int, str]:
    """Return the status and the reason of a refusal."""
    answer = front.curl(path, *options)
    return answer.status, answer.json["details"][0]["reason"]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost.evil.example", "http://127.0.0.2"]
)
def test_pages_of_other_sites_place_and_cancel_nothing(front: Front, origin: str) -> None:
    page = ("-X", "POST", "-H", f"origin: {origin}")
    assert refused(front, "/orders", *page, *JSON, "-d", "{}") == (403, "CROSS_SITE_REQUEST")
    assert refused(front, CANCEL, *page) == (403, "CROSS_SITE_REQUEST")
    for form in FORMS:
        assert refused(front, "/orders", *page, "-H", f"content-type: {form}", "-d", "{}")[0] == 403


def test_grpc_web_of_another_site_is_refused(front: Front) -> None:
    answer = front.curl(
        "/ordermesh.orders.v1.OrderService/CreateOrder",
        *("-X", "POST", "-H", "origin: https://evil.example", "-H", "content-type: application/grpc-web+proto"),
    )
    assert answer.headers["grpc-status"] == "7"


@pytest.mark.parametrize("port", ["", ":5173"])
def test_pages_on_this_machine_send_what_cors_allows_and_nothing_without_asking(front: Front, port: str) -> None:
    page = ("-X", "POST", "-H", f"origin: http://localhost{port}")
    assert front.curl("/orders", *page, *JSON, "-d", "{}").status == 200
    assert refused(front, CANCEL, *page) == (403, "CROSS_SITE_REQUEST")
    for form in FORMS:
        assert refused(front, "/orders", *page, "-H", f"content-type: {form}", "-d", "{}")[0] == 403


def test_its_own_pages_and_clients_without_a_page_send_everything(front: Front) -> None:
    own = ("-H", f"origin: http://127.0.0.1:{front.port}")
    for who in (own, ()):
        assert front.curl(CANCEL, "-X", "POST", *who).status == 200
        assert front.curl("/orders", "-X", "POST", *who, *JSON, "-d", "{}").status == 200
        for form in FORMS:
            assert refused(front, "/orders", *who, "-H", f"content-type: {form}", "-d", "{}") == (
                415,
                "UNSUPPORTED_MEDIA_TYPE",
            )
        assert refused(front, "/orders", *who, "-H", "content-type:", "-d", "{}")[0] == 415


def test_what_a_page_of_another_site_only_embeds_is_refused(front: Front) -> None:
    embedded = ("-H", "sec-fetch-site: cross-site", "-H", "sec-fetch-mode: no-cors")
    for path in ("/orders", "/v1/orders:watch", "/docs"):
        assert refused(front, path, *embedded) == (403, "CROSS_SITE_REQUEST")
    followed_link = ("-H", "sec-fetch-site: cross-site", "-H", "sec-fetch-mode: navigate")
    assert front.curl("/docs", *followed_link).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "localhost.", "127.0.0.1.nip.example", "10.0.0.1", "x"]
)
def test_another_host_name_gets_nothing(front: Front, host: str) -> None:
    for path in ("/orders", "/", "/docs", "/nope", "/openapi.json"):
        assert refused(front, path, "-H", f"host: {host}") == (421, "HOST_NOT_ALLOWED")
    answer = front.post("/orders", "{}", "-H", f"host: {host}")
    assert (answer.status, answer.json["code"]) == (421, 7)
    assert "ORDERMESH_FRONT_HOSTS" in answer.json["message"]


@pytest.mark.parametrize("host", ["localhost", "LocalHost:1", "127.0.0.1:65535", "[::1]", "[::1]:8080"])
def test_names_of_this_machine_are_served_with_any_port(front: Front, host: str) -> None:
    assert front.curl("/orders", "-H", f"host: {host}").status == 200


def test_grpc_with_another_authority_is_refused_with_a_reason(front: Front) -> None:
    options = [("grpc.default_authority", "evil.example")]
    with grpc.insecure_channel(front.target, options=options) as channel, pytest.raises(grpc.RpcError) as caught:
        orders_pb2_grpc.OrderServiceStub(channel).CreateOrder(orders_pb2.CreateOrderRequest())
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert reason_of(caught.value) == "HOST_NOT_ALLOWED"


def test_further_hosts_are_served_with_their_pages(start_front: Callable[..., Front]) -> None:
    front = start_front(hosts=["shop.example"])
    own = ("-H", "host: shop.example", "-H", "origin: https://shop.example")
    assert front.curl("/orders", "-X", "POST", *own, *JSON, "-d", "{}").status == 200
    assert front.curl(CANCEL, "-X", "POST", *own).status == 200
    assert front.curl("/orders", "-H", "host: other.example").status == 421


@pytest.mark.parametrize("host", ["*", "*.example", "shop.example:8080", "", "http://shop.example", "a b"])
def test_a_host_that_is_no_name_is_refused_by_its_setting(host: str) -> None:
    with pytest.raises(EnvoyConfigError, match="front_hosts must be host names without a port and without"):
        replace(EnvoyValues.compose(), hosts=(host,))


def test_the_words_of_a_refusal_are_json_whatever_the_host(front: Front) -> None:
    answer = front.curl("/orders", "-H", 'host: a"b\\c')
    assert answer.status in {400, 421}
    assert json.loads(answer.body)["message"]
