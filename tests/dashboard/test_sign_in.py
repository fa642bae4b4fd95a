"""The dashboard with authentication, in a real browser: the link opens a session, and everything works with it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from browser import Page, browsing

from cli.local.session_link import dashboard_link
from stack.running_stack import RunningStack, running_stack

PICTURES = Path(os.environ.get("DASHBOARD_PICTURES") or tempfile.mkdtemp(prefix="ordermesh-dashboard-"))
PICTURES.mkdir(parents=True, exist_ok=True)
UP = "document.querySelector('#notice')?.dataset.state === 'UP'"


@pytest.fixture(scope="module")
def stack() -> Iterator[RunningStack]:
    with running_stack(auth="keys") as started:
        yield started


@pytest.fixture
async def page(stack: RunningStack) -> AsyncIterator[Page]:
    async with browsing() as opened:
        await opened.look(width=1360, height=1000)
        await opened.open(dashboard_link(stack.stack.status))
        await opened.until(f"location.pathname === '/' && {UP}", "the session leads to the dashboard")
        yield opened


async def test_test_order_reconciliation_and_streams_work_with_the_session(page: Page) -> None:
    await page.until("document.querySelectorAll('#order option').length > 0", "the products can be chosen")
    await page.get("document.querySelector('#order [name=customer]').value = 'seen-by-browser'")
    await page.get("document.querySelector('#order button').click()")
    await page.until("/in the Kafka log/.test(document.querySelector('#travel').innerText)", "it is seen in the log")
    await page.until("/seen-by-browser/.test(document.querySelector('#last').innerText)", "it is among the last orders")
    await page.get("document.querySelector('#verify').click()")
    await page.until(
        "/AGREES|IN_FLIGHT/.test(document.querySelector('#verdict').dataset.verdict)", "the reconciliation answers"
    )
    assert not await page.get("/ordermesh_session|om_/.test(document.cookie)")
    assert await page.get("location.href") == await page.get("location.origin + '/'")
    await page.shoot(PICTURES / "session.png")
    assert page.problems == []


async def test_the_documentation_calls_with_the_session(page: Page, stack: RunningStack) -> None:
    await page.open(f"{stack.rest}/docs")
    await page.until("document.querySelectorAll('.opblock').length > 5", "the documentation is shown")
    status = await page.get("fetch('/v1/analytics/sales-summary').then((reply) => reply.status)")
    assert status == 200
    await page.shoot(PICTURES / "session-docs.png")


async def test_a_link_that_was_used_says_what_to_do_and_a_session_can_be_ended(stack: RunningStack) -> None:
    link = dashboard_link(stack.stack.status)
    async with browsing() as first:
        await first.look(width=1360, height=1000)
        await first.open(link)
        await first.until(f"location.pathname === '/' && {UP}", "the session leads to the dashboard")
        async with browsing() as second:
            await second.look(width=1360, height=1000)
            await second.open(link)
            await second.until("/ordermesh open/.test(document.body?.innerText)", "the page says what to do")
            await second.shoot(PICTURES / "session-used.png")
            await second.open(f"{stack.rest}/")
            await second.until("/needs a session/.test(document.querySelector('#notice')?.innerText)", "it says why")
            await second.shoot(PICTURES / "session-none.png")
        await first.get("document.querySelector('#sign-out').click()")
        await first.until(
            "/needs a session/.test(document.querySelector('#notice')?.innerText)", "the session has ended"
        )
        assert await first.get("document.querySelector('#sign-out').hidden")
