"""Databases of CloudNativePG lose their primary under load: the operator promotes the replica, and no order is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from databases import DATABASES, SECONDS, WORDS, Database, install_operator, remove_operator
from guide import CLUSTER, commands
from load import Load
from node.cluster import Cluster
from release import Platform
from waiting import await_true

pytestmark = pytest.mark.timeout(1800)
# What waited is sent at once when the database is back: at 30 orders/s a part of it was refused (OVERLOADED).
RATE = 10
# For longer than a failover lasts: a call that was refused is sent again with the same request id, and one that waits
# for the synchronous replica is waited for.
PATIENT = {"retries": 100, "timeout": "60s"}
# The blocks of this page, in order: look, move the primary, back up, restore.
PAGE = "how-to/kubernetes-day-two.md"


@pytest.fixture(scope="module")
def shop(cluster: Cluster) -> Iterator[Platform]:
    """The platform with both databases as clusters of the operator."""
    install_operator(cluster)
    shop = Platform(cluster, "databases", 30082)
    shop.install_with_helm(1, *WORDS)
    yield shop
    cluster.kubectl("delete", "namespace", shop.namespace)
    remove_operator(cluster)


def assert_no_order_is_lost(shop: Platform, before: int, running: Load) -> None:
    """End the load: each order was accepted in the end, is stored once, and was counted once."""
    result = running.finish_without_failure()
    assert stored(shop) == before + result["orders"]["accepted"]


def stored(shop: Platform) -> int:
    """Return how many orders the database has."""
    return int(Database(shop, "orders").ask("SELECT count(*) FROM orders"))


def follow(shop: Platform, block: int, backup: Path = Path("/nowhere")) -> str:
    """Run a block of the page in the namespace of the test, and return what it prints."""
    script = commands(PAGE, CLUSTER)[block].replace("-n shop", f"-n {shop.namespace}")
    return shop.cluster.run("bash", "-euo", "pipefail", "-c", f"BACKUP={backup}\n{script}")


def accept_for_a_while(running: Load) -> None:
    """Wait until ten seconds' worth of orders more are accepted."""
    reached = running.accepted()
    await_true(lambda: running.accepted() > reached + 10 * RATE, "orders are accepted", 300)


@pytest.mark.parametrize("name", DATABASES)
def test_a_database_has_a_synchronous_replica_on_the_other_node(shop: Platform, name: str) -> None:
    database = Database(shop, name)
    database.wait_until_whole()
    assert database.nodes() == {"node-1", "node-2"}
    assert database.ask("SELECT sync_state FROM pg_stat_replication") == "quorum"


@pytest.mark.parametrize("name", DATABASES)
def test_a_lost_primary_loses_no_order(shop: Platform, load: Callable[..., Load], name: str) -> None:
    database, before = Database(shop, name), stored(shop)
    running = load(shop, RATE, **PATIENT)
    database.lose_primary()
    accept_for_a_while(running)
    database.wait_until_whole()
    assert_no_order_is_lost(shop, before, running)


def test_a_primary_that_is_moved_as_the_page_says_loses_no_order(shop: Platform, load: Callable[..., Load]) -> None:
    database, before = Database(shop, "orders"), stored(shop)
    assert database.primary() in follow(shop, 0)
    running, moved = load(shop, RATE, **PATIENT), database.primary()
    follow(shop, 1)
    await_true(lambda: database.primary() != moved, "another instance is the primary", SECONDS)
    accept_for_a_while(running)
    database.wait_until_whole()
    assert_no_order_is_lost(shop, before, running)


def test_services_reach_their_databases_through_poolers_by_value(shop: Platform, load: Callable[..., Load]) -> None:
    shop.upgrade("--set=cnpg.pooler.instances=1")
    before = stored(shop)
    running = load(shop, RATE)
    accept_for_a_while(running)
    for role, database in (("orders_app", "orders"), ("orders_publisher", "orders"), ("analytics_worker", "analytics")):
        one = Database(shop, database)
        asked = f"SELECT DISTINCT client_addr FROM pg_stat_activity WHERE usename = '{role}'"
        assert one.ask(asked).split() == one.poolers(), role
    assert_no_order_is_lost(shop, before, running)


def test_databases_that_are_lost_are_restored_as_the_page_says(
    shop: Platform, load: Callable[..., Load], tmp_path: Path
) -> None:
    before = stored(shop)
    assert before > 0
    follow(shop, 2, tmp_path)
    follow(shop, 3, tmp_path)
    assert stored(shop) == before
    running = load(shop, RATE)
    accept_for_a_while(running)
    assert_no_order_is_lost(shop, before, running)
