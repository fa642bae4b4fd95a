"""The pages of dead letters and of one order in a real browser, on a whole stack."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from bad_records import dead_letter
from browser import Page, browsing
from front_proxy import Platform

from stack.running_stack import running_stack


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with running_stack() as started:
        yield Platform(started)


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with browsing() as opened:
        await opened.look(width=1360, height=1000)
        yield opened


async def test_a_dead_letter_is_found_by_its_group_shown_and_discarded(page: Page, platform: Platform) -> None:
    dead_letter_id = dead_letter(platform, "stock", b"\xff\x00seen by browser")
    await page.open(f"{platform.rest}/dead-letters")
    await page.until("/UNDECODABLE/.test(document.querySelector('#groups').innerText)", "its group is shown")
    await page.get("document.querySelector('#groups .pick').click()")
    await page.until(f"/{dead_letter_id}/.test(document.querySelector('#letters').innerText)", "it is listed")
    await page.get("document.querySelector('#letters .pick').click()")
    await page.until("/seen by browser/.test(document.querySelector('#bytes').innerText)", "its bytes are shown")
    await page.get("document.querySelector('#discard').click()")
    await page.until("document.querySelector('#confirm').open", "it is asked first")
    await page.get("document.querySelector('#confirm-yes').click()")
    await page.until("/1 dead letter discarded/.test(document.querySelector('#done').innerText)", "it is done")
    await page.until("/DiscardDeadLetters/.test(document.querySelector('#changes').innerText)", "who did it is shown")
    await page.until("/No open/.test(document.querySelector('#notice').innerText)", "none is open any more")
    assert page.problems == []


async def test_the_life_of_an_order_is_shown_until_it_is_counted(page: Page, platform: Platform) -> None:
    order_id = platform.order("cust-page")["orderId"]
    await page.open(f"{platform.rest}/order#{order_id}")
    await page.until("document.querySelector('#notice').dataset.state === 'UP'", "every event is counted")
    shown = await page.text("#events")
    assert "order created" in shown
    assert "in the outbox" in shown
    assert "offset" in shown
    assert page.problems == []
