"""A web page of another site, in a real browser, against a stack on the same machine."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from browser import Page, browsing
from front_proxy import Platform

ORDER = {"customerId": "cust-page", "items": [{"productId": "p1", "quantity": 1, "price": 1}]}
# What a page can send without being asked by CORS: each attempt is a promise that ends when the browser is done.
ATTACK = """
async (front, order, victim) => {
  const cancel = `${front}/v1/orders/${victim}:cancel`;
  const blind = (url, init) => fetch(url, {method: 'POST', mode: 'no-cors', credentials: 'include', ...init});
  const form = new FormData();
  form.set('customerId', 'cust-page');
  const pages = ['text/plain', 'multipart/form-data', 'application/x-www-form-urlencoded'].map((enctype) => () => {
    const frame = document.createElement('iframe');
    frame.name = 'frame' + enctype;
    document.body.append(frame);
    const page = document.createElement('form');
    Object.assign(page, {method: 'POST', action: `${front}/orders`, enctype, target: frame.name});
    const field = document.createElement('input');
    Object.assign(field, {name: order.slice(0, -1) + ',"x":"', value: '"}'});
    page.append(field);
    document.body.append(page);
    const done = new Promise((resolve) => frame.addEventListener('load', resolve));
    page.submit();
    return done;
  });
  const image = (path) => () => new Promise((resolve) => {
    const image = new Image();
    image.onload = () => resolve('read');
    image.onerror = () => resolve('error');
    image.src = front + path;
  });
  const opened = (Kind, url, message) => () => new Promise((resolve) => {
    const source = new Kind(url);
    source.onmessage = () => resolve('read');
    source.onerror = () => { source.close(); resolve('error'); };
  });
  const attempts = [
    () => blind(`${front}/orders`, {headers: {'content-type': 'text/plain'}, body: order}),
    () => blind(`${front}/orders`, {headers: {'content-type': 'application/json'}, body: order}),
    () => blind(`${front}/orders`, {body: new Blob([order])}),
    () => blind(`${front}/orders`, {body: new URLSearchParams({customerId: 'cust-page'})}),
    () => blind(`${front}/orders`, {body: form}),
    () => blind(cancel, {}),
    () => blind(cancel, {body: new Blob([])}),
    async () => navigator.sendBeacon(`${front}/orders`, new Blob([order])),
    async () => navigator.sendBeacon(cancel),
    ...pages,
    image('/orders'), image('/quitquitquit'), image('/v1/orders:watch'),
    opened(EventSource, `${front}/v1/orders:watch?fromStart=true&heartbeatMs=500`),
    opened(WebSocket, front.replace('http', 'ws') + '/v1/orders:watch'),
  ];
  const done = [];
  for (const attempt of attempts) done.push(await attempt().then(String, String));
  return done;
}
"""


class Answer(http.server.BaseHTTPRequestHandler):
    """An empty page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>page</title><body>")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def page_port() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


async def attacked(page: Page, platform: Platform, victim: str) -> list[str]:
    arguments = ", ".join(json.dumps(one) for one in (platform.rest, json.dumps(ORDER), victim))
    done: list[str] = await page.get(f"({ATTACK})({arguments})")
    return done


@pytest.mark.parametrize("host", ["evil.test", "127.0.0.1", "localhost"])
async def test_a_page_of_another_origin_places_and_cancels_nothing(
    platform: Platform, page_port: int, host: str
) -> None:
    victim = platform.post("/orders", {**ORDER, "customerId": "cust-victim"}).json["orderId"]
    async with browsing("--host-resolver-rules=MAP *.test 127.0.0.1") as page:
        await page.open(f"http://{host}:{page_port}/")
        await page.until("document.title === 'page'", "the page is there")
        done = await attacked(page, platform, victim)
    assert len(done) == 17
    if host == "evil.test":
        assert "read" not in done
    assert platform.curl(f"/v1/orders/{victim}").json["status"] == "CREATED"
    assert platform.curl("/orders?customerId=cust-page").json == []


async def test_a_name_that_is_bound_to_our_address_later_gets_no_page(platform: Platform) -> None:
    port = platform.rest.rpartition(":")[2]
    async with browsing("--host-resolver-rules=MAP *.test 127.0.0.1") as page:
        await page.open(f"http://rebound.test:{port}/orders")
        await page.until("/HOST_NOT_ALLOWED/.test(document.body.innerText)", "the host is refused")
        answer = "fetch('/orders', {method: 'POST', headers: {'content-type': 'application/json'}, body: '{}'})"
        assert await page.get(f"{answer}.then((reply) => reply.status)") == 421


async def test_the_own_page_orders_and_cancels(platform: Platform) -> None:
    async with browsing() as page:
        await page.open(f"{platform.rest}/")
        await page.until("document.querySelector('#order')", "the page is there")
        body = json.dumps(json.dumps({**ORDER, "customerId": "cust-own"}))
        send = "{method: 'POST', headers: {'content-type': 'application/json'}, body: " + body + "}"
        made = await page.get(f"fetch('/orders', {send}).then((reply) => reply.json()).then((one) => one.orderId)")
        cancelled = f"fetch('/v1/orders/{made}:cancel', {{method: 'POST'}}).then((reply) => reply.status)"
        assert await page.get(cancelled) == 200
