"""Autoscalers add pods when there is more to do and take them away again: no request fails, and nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from autoscalers import PROMETHEUS, Autoscalers
from load import Load
from node.cluster import Cluster
from picture import draw, pods_of
from prepare.go_programs import CACHE
from release import PAUSE_SECONDS, Platform
from replicas import Replicas, turns
from standstill import Frozen, StuckPartition
from waiting import await_true

pytestmark = pytest.mark.timeout(1800)
RATE = 50
PARTITIONS = 4
MOST = {"orders": 3, "publisher": 3, "processor": PARTITIONS}
LAG_EVENTS = 100
OLDEST_SECONDS = 5
PICTURE = CACHE / "autoscaling.png"
PATIENCE_SECONDS = 400.0
LAG = "max by (topic, partition) (ordermesh_consumer_lag_events)"
AGE = "max(ordermesh_outbox_oldest_unsent_age_seconds)"
# A processor that is slower than the load: little processor time, and a transaction for each event.
SLOW = {
    "resources": {"limits": {"cpu": "80m"}},
    "extraEnv": [{"name": "ORDERMESH_PROCESSOR_BATCH_EVENTS", "value": "1"}],
}


def values() -> dict[str, Any]:
    """Return values over those of the test cluster: autoscaling, and pods that go after one calm minute."""
    scaled = {
        service: {"autoscaling": {"enabled": True, "minReplicas": 1, "maxReplicas": most}}
        for service, most in MOST.items()
    }
    scaled["orders"]["resources"] = {"requests": {"cpu": "100m"}}
    scaled["processor"]["workers"] = 1
    calm = {"stabilizationWindowSeconds": 60, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 15}]}
    keda = {"prometheus": PROMETHEUS, "lagEvents": LAG_EVENTS, "oldestEventSeconds": OLDEST_SECONDS}
    return {
        **scaled,
        "kafka": {"partitions": PARTITIONS},
        "keda": keda,
        "autoscalingBehavior": {"scaleDown": calm},
    }


@pytest.fixture(scope="module")
def platform(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The platform with one pod of each service, without autoscalers yet."""
    platform = Platform(cluster, "scaling", 30082)
    given = tmp_path_factory.mktemp("values") / "values.json"
    given.write_text(json.dumps(values()))
    platform.install_with_helm(1, f"--values={given}")
    yield platform
    cluster.kubectl("delete", "namespace", platform.namespace)


@pytest.fixture(scope="module")
def autoscalers(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Autoscalers]:
    """KEDA, metrics-server and Prometheus, with ScaledObjects of the chart."""
    autoscalers = Autoscalers(platform, tmp_path_factory.mktemp("autoscalers") / "files")
    autoscalers.install()
    platform.upgrade("--set=keda.enabled=true")
    await_true(lambda: autoscalers.ask(AGE) is not None, "Prometheus knows the age of the oldest event")
    since = datetime.now(UTC)
    yield autoscalers
    # So that the last fall is in the picture.
    await_true(lambda: all(autoscalers.ask(pods_of(service)) == 1 for service in MOST), "one pod of each is scraped")
    draw(autoscalers, since, PICTURE)
    platform.upgrade("--set=keda.enabled=false")
    autoscalers.remove()


@pytest.fixture
def replicas(platform: Platform, autoscalers: Autoscalers, tmp_path: Path) -> Iterator[Replicas]:
    """A watch on the Deployments, of which each has one pod."""
    for service in MOST:
        await_pods(platform, service, 1)
    with Replicas(platform, tmp_path) as replicas:
        yield replicas


def await_pods(platform: Platform, service: str, least: int) -> None:
    """Wait until a service has as many ready pods, or only one when that is what is awaited."""

    def there() -> bool:
        pods = platform.pods(service)
        ready = [
            pod
            for pod in pods
            if all(one["ready"] for one in pod["status"].get("containerStatuses", [{"ready": False}]))
        ]
        return len(ready) == len(pods) == 1 if least == 1 else len(ready) >= least

    await_true(there, f"{service} has {least} pods", PATIENCE_SECONDS, PAUSE_SECONDS)


def await_reading(autoscalers: Autoscalers, query: str) -> None:
    """Wait until a comparison holds in Prometheus, which has a value then."""
    await_true(lambda: autoscalers.ask(query) is not None, query, PATIENCE_SECONDS, PAUSE_SECONDS)


def assert_rose_and_fell(replicas: Replicas, service: str) -> None:
    """Compare with one hill, step by step: more is flapping."""
    numbers = replicas.wanted(service)
    assert numbers[0] == numbers[-1] == 1, numbers
    assert 1 < max(numbers) <= MOST[service], numbers
    assert turns(numbers) == 1, numbers


def test_load_adds_a_pod_of_orders_and_calm_takes_it_away(
    platform: Platform, replicas: Replicas, load: Callable[..., Load]
) -> None:
    running = load(platform, RATE)
    await_pods(platform, "orders", 2)
    running.finish_without_failure()
    await_pods(platform, "orders", 1)
    assert_rose_and_fell(replicas, "orders")


def test_a_standing_kafka_adds_few_publishers_and_no_processor(
    cluster: Cluster, platform: Platform, autoscalers: Autoscalers, replicas: Replicas, load: Callable[..., Load]
) -> None:
    running = load(platform, RATE)
    with Frozen(cluster, platform.pods("kafka")[0]):
        await_reading(autoscalers, f"{AGE} > {OLDEST_SECONDS}")
        await_true(
            lambda: 2 in replicas.wanted("publisher"), "there is a publisher more", PATIENCE_SECONDS, PAUSE_SECONDS
        )
    await_reading(autoscalers, f"{AGE} < {OLDEST_SECONDS}")
    running.finish_without_failure()
    await_pods(platform, "publisher", 1)
    assert_rose_and_fell(replicas, "publisher")
    assert replicas.wanted("publisher")[:2] == [1, 2]


def test_a_stuck_partition_adds_one_processor_at_most(
    platform: Platform, autoscalers: Autoscalers, replicas: Replicas, load: Callable[..., Load]
) -> None:
    running = load(platform, RATE)
    with StuckPartition(platform, 0):
        # Without a limit for each partition, this would want the most.
        await_reading(autoscalers, f"sum({LAG}) > {2 * LAG_EVENTS * MOST['processor']}")
        assert max(replicas.wanted("processor")) <= 2
    await_reading(autoscalers, f"sum({LAG}) < {LAG_EVENTS}")
    running.finish_without_failure()
    assert max(replicas.wanted("processor")) <= 2


def test_lag_adds_processors_and_calm_takes_them_away(
    platform: Platform, autoscalers: Autoscalers, replicas: Replicas, load: Callable[..., Load], tmp_path: Path
) -> None:
    (tmp_path / "slow.json").write_text(json.dumps({"processor": SLOW}))
    platform.upgrade(f"--values={tmp_path / 'slow.json'}")
    running = load(platform, RATE)
    await_reading(autoscalers, f"sum({LAG}) > {LAG_EVENTS}")
    await_pods(platform, "processor", 2)
    running.finish_without_failure()
    await_reading(autoscalers, f"sum({LAG}) < {LAG_EVENTS}")
    await_pods(platform, "processor", 1)
    assert_rose_and_fell(replicas, "processor")
