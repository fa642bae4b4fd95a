"""The dashboard in a real browser, on a whole stack: what happens is seen, and what breaks is said."""

from __future__ import annotations

import os
import re
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from browser import Page, browsing

from stack.running_stack import RunningStack, running_stack

# The pictures stay, to be looked at.
PICTURES = Path(os.environ.get("DASHBOARD_PICTURES") or tempfile.mkdtemp(prefix="ordermesh-dashboard-"))
PICTURES.mkdir(parents=True, exist_ok=True)
SIZES = {"desktop": (1360, 1000), "tablet": (820, 1100), "phone": (390, 844)}


@pytest.fixture(scope="module")
def stack() -> Iterator[RunningStack]:
    with running_stack() as started:
        yield started


@pytest.fixture
async def page(stack: RunningStack) -> AsyncIterator[Page]:
    async with browsing() as opened:
        await opened.look(width=1360, height=1000)
        await opened.open(f"{stack.rest}/")
        await opened.until("document.querySelector('#notice')?.dataset.state === 'UP'", "everything is reported up")
        yield opened


async def place_order(page: Page, customer: str) -> None:
    await page.until("document.querySelectorAll('#order option').length > 0", "the products can be chosen")
    await page.get(f"document.querySelector('#order [name=customer]').value = '{customer}'")
    await page.get("document.querySelector('#order button').click()")


async def test_an_order_is_seen_on_its_whole_way(page: Page) -> None:
    before = number(await page.text("#total-orders"))
    await place_order(page, "seen-by-browser")
    await page.until("/in the Kafka log/.test(document.querySelector('#travel').innerText)", "it is seen in the log")
    await page.until("/seen-by-browser/.test(document.querySelector('#last').innerText)", "it is among the last orders")
    total = "Number(document.querySelector('#total-orders').innerText.replaceAll(',', ''))"
    await page.until(f"{total} >= {before + 1}", "it is in the totals")
    counted = "Number(document.querySelectorAll('.stage .main')[4].innerText.replaceAll(',', ''))"
    await page.until(f"{counted} >= {before + 1}", "it is counted in the picture of the pipeline")
    await page.until("document.querySelectorAll('#top li').length > 0", "its product is among the top products")
    await page.until("document.querySelectorAll('#chart .bar').length > 0", "its minute is in the chart")
    assert page.problems == []


@pytest.mark.parametrize("width", [1360, 1024, 820, 390])
async def test_numbers_of_years_stay_within_their_cards(page: Page, width: int) -> None:
    await page.look(width=width, height=1000)
    # In one evaluation, since the next message of the stream writes the true numbers again.
    overflowing = await page.get("""import('/static/format.js').then(({ writeNumber }) => {
      const put = (selector, text) => document.querySelectorAll(selector).forEach((one) => writeNumber(one, text));
      put('.totals dd', '999,999,999,999.99');
      put('.stage .main, .comparison td', '999,999,999,999');
      put('.stage dd', '999,999,999');
      const outside = (one) => {
        const range = document.createRange();
        range.selectNodeContents(one);
        const card = one.closest('.panel, .stage').getBoundingClientRect();
        return one.textContent && range.getBoundingClientRect().right > card.right;
      };
      const numbers = [...document.querySelectorAll('.totals dd, .stage .main, .stage dd, .comparison td')];
      return numbers.filter(outside).map((one) => one.parentElement.textContent).join('; ');
    })""")
    assert overflowing == ""


async def test_the_chart_names_its_two_series(page: Page) -> None:
    assert (await page.text(".legend")).split("\n") == ["orders, left scale", "revenue, right scale"]


async def test_both_ends_are_compared_on_request_and_the_answer_is_kept(page: Page, stack: RunningStack) -> None:
    await page.get("document.querySelector('#verify').click()")
    await page.until("document.querySelector('#verdict').dataset.verdict === 'AGREES'", "both ends agree")
    assert re.search(r"\d\d:\d\d:\d\d, \d+ s ago; took", await page.text("#verified"))
    await page.open(f"{stack.rest}/")
    await page.until("document.querySelector('#verdict')?.dataset.verdict === 'AGREES'", "the verdict is still there")


async def test_the_page_says_up_to_when_everything_is_exact(page: Page) -> None:
    exact = "document.querySelector('#exact')"
    await page.until(rf"/^Exact up to \d\d:\d\d:00$/.test({exact}.innerText)", "the closed minutes agree")
    assert await page.get(f"{exact}.dataset.verdict") == "AGREES"
    assert re.search(r"published events? each counted once .* Checked \d+ s ago\.", await page.text("#exact-detail"))


async def test_a_publisher_that_stands_still_is_said_to_be_down_and_its_order_waits(
    page: Page, stack: RunningStack
) -> None:
    publisher = stack.pid("publisher")
    os.kill(publisher, signal.SIGSTOP)
    try:
        await place_order(page, "waits-in-outbox")
        await page.until("/publisher is down since/.test(document.querySelector('#notice').innerText)", "it is said")
        card = "document.querySelectorAll('.stage')[1]"
        await page.until(
            f"{card}.dataset.state === 'DOWN' && /down since/.test({card}.innerText)", "its stage shows it"
        )
        await page.until(f"{card}.querySelector('.main').innerText === '1'", "the order waits in the outbox")
        await page.shoot(PICTURES / "dashboard-down.png")
    finally:
        os.kill(publisher, signal.SIGCONT)
    await page.until("document.querySelector('#notice').dataset.state === 'UP'", "it is said to be back")
    await page.until("/waits-in-outbox/.test(document.querySelector('#last').innerText)", "the order goes on")


async def test_a_page_that_lost_the_gateway_says_so_and_goes_on_without_a_gap(page: Page, stack: RunningStack) -> None:
    await page.until("document.querySelectorAll('#order option').length > 0", "the page is complete")
    restarts = stack.kill("gateway")
    await page.until("/lost the gateway/.test(document.querySelector('#notice').innerText)", "the loss is said")
    stack.await_restart("gateway", restarts)
    await place_order(page, "after-the-gap")
    await page.until("document.querySelector('#notice').dataset.state === 'UP'", "the page is back")
    await page.until("/after-the-gap/.test(document.querySelector('#last').innerText)", "the order is told")
    assert "no updates since" not in await page.text("#last-read")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
async def test_it_fits_the_screen_and_is_pictured(page: Page, size: str, dark: bool) -> None:
    width, height = SIZES[size]
    await page.look(width=width, height=height, dark=dark, still=True)
    await page.until("document.querySelectorAll('#top li').length > 0", "the page is complete")
    assert await page.get("document.documentElement.scrollWidth") <= width
    await page.look(width=width, height=await page.get("document.documentElement.scrollHeight"), dark=dark, still=True)
    await page.shoot(PICTURES / f"dashboard-{size}-{'dark' if dark else 'light'}.png")


CONTRAST = """
(() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => [r, g, b].map((c) => linear(c / 255))
    .reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const texts = [...document.querySelectorAll("body *")].filter((node) => !node.closest("svg, option, noscript, script")
    && [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim()));
  return texts.map((node) => {
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(ground(node))].sort((x, y) => y - x);
    return [(a + 0.05) / (b + 0.05), node.outerHTML.slice(0, 80)];
  }).filter(([ratio]) => ratio < 4.5);
})()
"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_every_text_stands_out_from_its_ground(page: Page, dark: bool) -> None:
    await page.look(width=1360, height=1000, dark=dark, still=True)
    await page.until("document.querySelectorAll('#top li').length > 0", "the page is complete")
    assert await page.get(CONTRAST) == []


async def test_everything_that_can_be_done_can_be_reached_by_keyboard(page: Page) -> None:
    await page.until("document.querySelectorAll('#order option').length > 0", "the page is complete")
    reached = set()
    for _ in range(30):
        for kind in ("keyDown", "keyUp"):
            await page.send("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        reached.add(
            await page.get(
                "document.activeElement.id || document.activeElement.name || document.activeElement.textContent"
            )
        )
    assert {
        "Skip to the pipeline",
        "API docs",
        "chart",
        "verify",
        "customer",
        "product",
        "quantity",
        "Order",
    } <= reached


async def test_swagger_ui_tries_a_call_out(page: Page, stack: RunningStack) -> None:
    await page.open(f"{stack.rest}/docs")
    operation = "document.querySelector('#operations-OrderService-createOrder')"
    await page.until(operation, "the operation is listed")
    await page.get(f"{operation}.querySelector('.opblock-summary-control').click()")
    await page.until(f"{operation}.querySelector('.execute')", "it can be tried out")
    await page.get(f"{operation}.querySelector('.execute').click()")
    await page.until(f"{operation}.querySelector('.live-responses-table .response-col_status')", "there is an answer")
    answer = await page.get(f"{operation}.querySelector('.live-responses-table').innerText")
    assert re.search(r"\b200\b", answer), answer
    assert '"status": "CREATED"' in answer
    await page.shoot(PICTURES / "swagger.png")


def number(text: str) -> int:
    return int(text.replace(",", "").replace("–", "0") or 0)


async def test_an_event_source_goes_on_behind_its_last_event_after_the_gateway_went_away(
    page: Page, stack: RunningStack
) -> None:
    await page.get("""(() => {
      window.told = [];
      window.opened = 0;
      window.source = new EventSource('/v1/orders:watch?customerId=cust-source&heartbeatMs=500');
      source.onopen = () => { opened += 1; };
      source.onmessage = (event) => {
        const message = JSON.parse(event.data);
        if (message.revision !== event.lastEventId) told.push('another id');
        if (message.change) told.push(message.change.orderId);
      };
    })()""")
    await page.until("opened === 1", "the stream is open")
    order = "fetch('/orders', {method: 'POST', headers: {'content-type': 'application/json'}, body: JSON.stringify("
    order += "{customerId: 'cust-source', items: [{productId: 'p1', quantity: 1, price: 2}]})})"
    order += ".then((reply) => reply.json()).then((made) => made.orderId)"
    orders = [await page.get(order)]
    await page.until("told.length === 1", "the first order is told")
    restarts = stack.kill("gateway")
    orders.append(await page.get(order))
    stack.await_restart("gateway", restarts)
    await page.until("opened === 2", "the browser came back by itself")
    orders.append(await page.get(order))
    await page.until("told.length === 3", "what happened meanwhile is told")
    assert await page.get("told") == orders
    await page.get("source.close()")
