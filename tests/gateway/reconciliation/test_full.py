"""The full reconciliation: ledgers against rows, minutes whose ledger is wrong, and results that are waited for."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from ordermesh.gateway.v1.pipeline_pb2 import ReconcileResponse
from ordermesh.internal.v1 import ledger_pb2 as pb
from ordermesh.internal.v1.ledger_pb2 import DAY, MINUTE, LedgerDifference
from pipeline_world import MINUTE as FIRST
from pipeline_world import FakeLog, World, event, event_sums

from gateway.backends.errors import unavailable
from gateway.reconciliation import full
from gateway.reconciliation.full import FullReconciliation
from gateway.reconciliation.ledger_audit import AuditProgress
from gateway.reconciliation.reconciliation import Reconciliation
from runtime.errors import Unavailable

Finding = ReconcileResponse.Finding
AGREES, DIFFERS, UNFINISHED = ReconcileResponse.AGREES, ReconcileResponse.DIFFERS, ReconcileResponse.VERDICT_UNSPECIFIED
Audit = Callable[[AuditProgress], Awaitable[ReconcileResponse]]


@pytest.fixture
def world(servers) -> World:
    servers.world.flow(*(event(minute) for minute in range(3) for _ in range(5)))
    servers.world.audits = {"orders": [[], []], "analytics": [[]]}
    return servers.world


@pytest.fixture
def reconcile(world, orders, analytics) -> Audit:
    log = FakeLog(world)
    return lambda progress: Reconciliation(orders, analytics, log, 1.0, audit=progress).run()


def differs(ledger: LedgerDifference.Ledger, expected: int, actual: int, period: int = MINUTE) -> LedgerDifference:
    return LedgerDifference(
        ledger=ledger, period=period, start_time=Timestamp(seconds=FIRST), expected=expected, actual=actual
    )


async def test_rows_and_ledgers_that_agree(world, reconcile) -> None:
    response = await FullReconciliation(reconcile).answer(30)
    assert (response.verdict, response.compared_orders) == (AGREES, 15)
    assert (response.audit.days_done, response.audit.days, response.audit.rows) == (3, 3, 3_000)


UNITS = LedgerDifference(ledger=LedgerDifference.PRODUCTS, product_id="p7", actual=1)


@pytest.mark.parametrize(
    ("database", "difference", "message"),
    [
        ("orders", differs(LedgerDifference.ORDERS, 4, 5), "orders database has 5 orders, its rows add up to 4"),
        ("analytics", differs(LedgerDifference.EVENTS, 5, 5), "add up to 5, with other ids or another revenue"),
        ("analytics", differs(LedgerDifference.EVENTS, 5, 6, DAY), "day 2025-02-19: the ledger of the analytics"),
        ("orders", UNITS, "product p7: the ledger of the orders database has 1 unit, its rows add up to 0"),
    ],
)
async def test_a_ledger_that_differs_from_its_rows_is_named(
    world, reconcile, database: str, difference: LedgerDifference, message: str
) -> None:
    world.audits[database] = [[], [difference]]
    response = await FullReconciliation(reconcile).answer(30)
    (finding,) = response.findings
    assert (response.verdict, finding.kind, response.summary.partition(" (")[0]) == (
        DIFFERS, Finding.LEDGER, "1 ledger sum wrong",
    )  # fmt: skip
    assert message in finding.message


async def test_an_event_that_is_lost_behind_equal_ledgers_is_named(world, reconcile) -> None:
    """As when somebody removed the row while triggers were off."""
    lost = world.counted.pop(0)
    world.counted_sums = lambda sums: event_sums(world.published)
    world.product_metrics = None
    assert [one.kind for one in (await reconcile(AuditProgress())).findings if one.kind == Finding.LOST] == []
    world.audits["analytics"] = [[differs(LedgerDifference.EVENTS, 4, 5)]]
    found = (await reconcile(AuditProgress())).findings
    assert [list(one.event_ids) for one in found if one.kind == Finding.LOST] == [[lost.name]]


async def test_all_days_of_metrics_are_compared(world, analytics, reconcile) -> None:
    world.differences_of_old_days = [
        pb.AuditMetricsResponse.Difference(metric_name="orders_per_minute", dimension="then", expected=1, actual=2)
    ]
    (finding,) = (await reconcile(AuditProgress())).findings
    assert (finding.kind, finding.dimension) == (Finding.METRIC, "then")


class Slow:
    """A reconciliation that ends when it is told to."""

    def __init__(self) -> None:
        self.begun = 0
        self.may_end = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self, progress: AuditProgress) -> ReconcileResponse:
        self.begun += 1
        progress.note("orders", pb.AuditedDay(number=1, days=4, rows=7))
        await self.may_end.wait()
        if self.error is not None:
            raise self.error
        return ReconcileResponse(verdict=AGREES)


async def test_it_goes_on_after_an_answer_with_its_progress_and_all_get_its_result(monkeypatch) -> None:
    slow = Slow()
    reconciliation = FullReconciliation(slow)
    answer = await reconciliation.answer(0.01)
    assert (answer.verdict, answer.audit.days_done, answer.audit.days, answer.audit.rows) == (UNFINISHED, 1, 4, 7)
    assert answer.summary == "not finished: 1 of 4 days, 7 rows read"
    waiting = asyncio.gather(reconciliation.answer(30), reconciliation.answer(30))
    await asyncio.sleep(0)
    slow.may_end.set()
    assert [one.verdict for one in await waiting] == [AGREES, AGREES]
    assert (await reconciliation.answer(30)).verdict == AGREES
    assert slow.begun == 1
    monkeypatch.setattr(full, "KEPT_SECONDS", 0.0)
    assert (await reconciliation.answer(30)).verdict == AGREES
    assert slow.begun == 2


async def test_one_that_failed_says_so_and_the_next_begins_again() -> None:
    slow = Slow()
    slow.error = unavailable("orders")
    slow.may_end.set()
    reconciliation = FullReconciliation(slow)
    for begun in (1, 2):
        with pytest.raises(Unavailable, match="orders is unavailable"):
            await reconciliation.answer(30)
        assert slow.begun == begun


async def test_a_gateway_that_stops_does_not_wait_for_it() -> None:
    reconciliation = FullReconciliation(Slow())
    await reconciliation.answer(0.01)
    reconciliation.close()
    with pytest.raises(asyncio.CancelledError):
        await reconciliation.answer(30)


async def test_a_database_that_goes_away_is_named(world, servers, reconcile) -> None:
    await servers.analytics.stop(None)
    with pytest.raises(Unavailable, match="analytics is unavailable"):
        await reconcile(AuditProgress())
