"""The commands of the page about day two, as they stand there, on a platform under load."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from load import Load
from node import layout
from node.cluster import Cluster
from release import SERVICES
from shop import CONNECTION_SECONDS, SERVICES_WITH_TLS, Shop
from waiting import await_true

from stack.certificates.authority import expiry

pytestmark = pytest.mark.timeout(1800)
RATE = 20
# Until the kubelet has put a changed Secret into the pods, and between two looks: each look at a pod costs a program.
KUBELET_SECONDS, PAUSE_SECONDS = 240.0, 5.0
LOST = 2


class Reader:
    """Who follows the page: a platform, the operator's key, and loads on it."""

    def __init__(self, shop: Shop, key: str) -> None:
        self.shop = shop
        self.key = key
        self.first = {name: shop.certificates.pair(name).certificate for name in (*SERVICES_WITH_TLS, "front")}

    def load(self, folder: Path, key: str = "", retries: int = 0) -> Load:
        """Start a load from outside, with the operator's key by default."""
        authority = self.shop.certificates.authority_file
        return Load(self.shop.url, key or self.key, RATE, folder, retries=retries, authority=authority)

    @contextlib.contextmanager
    def under_load(self, folder: Path) -> Iterator[None]:
        """Run the body under load, of which no request fails, and which is counted."""
        running = self.load(folder)
        try:
            yield
            assert running.finish_without_failure()["orders"]["offered"] > RATE
        finally:
            running.kill()

    def started_at(self) -> set[str]:
        """Return the pods of all services with the number of their restarts."""
        pods = [pod for service in SERVICES for pod in self.shop.pods(service)]
        return {f"{pod['metadata']['name']} {pod['status']['containerStatuses'][0]['restartCount']}" for pod in pods}


@pytest.fixture(scope="module")
def reader(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    shop = Shop(cluster, tmp_path_factory.mktemp("home"))
    yield Reader(shop, shop.install())
    cluster.kubectl("delete", "namespace", "shop")
    shop.shell.close()


def test_renewed_certificates_are_served_without_a_restart(reader: Reader, tmp_path: Path) -> None:
    shop = reader.shop
    pods = reader.started_at()
    with reader.under_load(tmp_path):
        shop.run("Renew certificates")
        for service, port in (("orders", 50051), ("analytics", 50051), ("gateway", 50051), ("gateway", 8081)):
            await_renewed(shop, service, partial(shop.shown_by, service, port))
        await_renewed(shop, "front", shop.shown_in_front)
    assert reader.started_at() == pods


def await_renewed(shop: Shop, name: str, shown: Callable[[], str]) -> None:
    """Wait until a certificate is shown as it is now in the folder."""
    renewed = shop.certificates.pair(name).certificate.decode().strip()
    await_true(lambda: shown().strip() == renewed, f"the certificate {name} is shown", KUBELET_SECONDS, PAUSE_SECONDS)


def test_a_database_password_is_rotated_without_a_restart(reader: Reader, tmp_path: Path) -> None:
    pods = reader.started_at()
    with reader.under_load(tmp_path):
        reader.shop.run("Rotate a database password")
    assert reader.started_at() == pods


def test_an_api_key_is_rotated_while_callers_change_it(reader: Reader, tmp_path: Path) -> None:
    shop, old = reader.shop, reader.key
    (known,) = shop.keys.current()
    with reader.under_load(tmp_path):
        shop.run("Rotate an API key", 0)
        reader.key = (Path(shop.shell.env["HOME"]) / "new-key").read_text().strip()
        await_true(
            lambda: shop.answer("/orders", reader.key)[0] == 200, "the new key is known", KUBELET_SECONDS, PAUSE_SECONDS
        )
    (tmp_path / "new").mkdir()
    with reader.under_load(tmp_path / "new"):
        shop.run("Rotate an API key", 1, KEY_ID=known.id)
        await_true(
            lambda: shop.answer("/orders", old)[0] == 401, "the old key is refused", KUBELET_SECONDS, PAUSE_SECONDS
        )


def test_calls_go_on_when_the_certificates_before_have_expired(reader: Reader, tmp_path: Path) -> None:
    """Of all parties, in both directions: whoever still showed its first one would be refused."""
    with reader.under_load(tmp_path):
        last = max(map(expiry, reader.first.values()))
        end = last + timedelta(seconds=2 * CONNECTION_SECONDS)
        await_true(
            lambda: datetime.now(UTC) > end,
            "connections are newer than the end of the certificates",
            900,
            PAUSE_SECONDS,
        )


def test_page_tokens_stay_valid_while_their_keys_are_rotated(reader: Reader, tmp_path: Path) -> None:
    shop = reader.shop
    token = json.loads(shop.answer("/v1/orders?page_size=1", reader.key)[1])["nextPageToken"]
    with reader.under_load(tmp_path):
        shop.run("Rotate the keys of tokens")
    assert shop.answer(f"/v1/orders?page_size=1&page_token={token}", reader.key)[0] == 200


def test_kafka_passwords_are_rotated_while_orders_are_accepted(reader: Reader, tmp_path: Path) -> None:
    with reader.under_load(tmp_path):
        reader.shop.run("Rotate a Kafka password")


def test_partitions_are_added_and_each_order_is_counted_once(reader: Reader, tmp_path: Path) -> None:
    shop = reader.shop
    with reader.under_load(tmp_path):
        shop.run("Add partitions")
        await_true(
            lambda: partitions_counted(shop) > 12,
            "events of new partitions are counted",
            KUBELET_SECONDS,
            PAUSE_SECONDS,
        )


def partitions_counted(shop: Shop) -> int:
    """Return of how many partitions of orders the processor has counted events."""
    return int(shop.ask("analytics", "SELECT count(*) FROM partition_progress WHERE topic = 'order-events'"))


def test_another_version_and_the_way_back(reader: Reader, tmp_path: Path) -> None:
    with reader.under_load(tmp_path):
        reader.shop.run("Upgrade")
        assert reader.shop.versions() == {"0.1.1"}
        reader.shop.run("Roll back")
        assert reader.shop.versions() == {"0.1.0"}


def test_a_lost_node_loses_no_order(reader: Reader, cluster: Cluster, tmp_path: Path) -> None:
    shop = reader.shop
    running = reader.load(tmp_path, retries=15)
    try:
        cluster.lose(LOST)
        shop.run("Lose a node", NODE=layout.name(LOST))
        shop.wait_for_all()
        assert {pod["spec"]["nodeName"] for service in SERVICES for pod in shop.pods(service)} == {layout.name(1)}
        result = running.finish()
    finally:
        running.kill()
        cluster.replace(LOST)
    # What was on its way to the node; the load repeats other failures.
    assert set(result["errors"]) <= {"timeout"}
    assert result["orders"]["accepted"] > result["orders"]["failed"]
    assert result["reconciliation"]["verdict"] == "AGREES"
