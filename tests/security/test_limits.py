"""What a client may not take from others, tried with the attacks of bench.abuse beside a victim."""

from __future__ import annotations

import pytest
from front_proxy import Platform, curl
from waiting import await_true

from bench.abuse.footprint import COMPONENTS, Footprints, Peaks, footprints
from bench.abuse.run import attacked
from bench.abuse.victim import Victim
from faults.attacks.__main__ import ATTACKS

SECONDS = 3.0
# Of what a component had before; what an attack may add at most, and what may stay of it.
MOST_MEMORY = 2.5
LEFT_MEMORY_BYTES = 150 * 1024 * 1024
# Envoy closes the connections of an attacker that left within a moment, Python's threads of a pool stay.
LEFT_DESCRIPTORS, LEFT_THREADS = 40, 12
MOST_WATCHES = 16
MOST_METRICS_CONNECTIONS = 64
# Beyond every timeout of the platform: a late answer is none of these tests' faults.
PATIENCE_SECONDS = 60.0


# They take the whole machine: not beside other tests.
@pytest.mark.long
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_neither_locks_others_out_nor_stays_in_memory(platform: Platform, name: str) -> None:
    stack = platform.stack
    settings = stack.context.settings
    before = footprints(stack)
    with Peaks(stack) as peaks, Victim(settings.front_port, timeout_seconds=PATIENCE_SECONDS) as victim:
        attacked(name, settings.front_port, settings.publisher_metrics_port, SECONDS)
    assert victim.answers.latencies_ms
    assert victim.answers.failures == []
    for component in COMPONENTS:
        most = before[component].memory_bytes * MOST_MEMORY
        assert peaks.largest[component].memory_bytes < most, component
    await_true(lambda: not left(before, footprints(stack)), lambda: f"left: {left(before, footprints(stack))}")


def left(before: Footprints, now: Footprints) -> list[str]:
    """Return what components hold more of than before."""
    found = []
    for name in COMPONENTS:
        if now[name].descriptors > before[name].descriptors + LEFT_DESCRIPTORS:
            found.append(f"{name}: {now[name].descriptors} descriptors")
        if now[name].threads > before[name].threads + LEFT_THREADS:
            found.append(f"{name}: {now[name].threads} threads")
        if now[name].memory_bytes > before[name].memory_bytes + LEFT_MEMORY_BYTES:
            found.append(f"{name}: {now[name].memory_bytes} bytes")
    return found


@pytest.mark.parametrize("name", ["status-streams", "order-watches", "metric-watches", "health-watches", "reflections"])
def test_one_client_gets_its_share_of_the_streams(platform: Platform, name: str) -> None:
    held: list[int] = []

    def is_share() -> bool:
        held.append(attacked(name, platform.stack.context.settings.front_port, 0, SECONDS)["held_at_the_end"])
        return held[-1] == MOST_WATCHES

    await_true(is_share, lambda: f"held: {held}")


def test_a_metrics_port_ends_the_oldest_connection_and_answers(platform: Platform) -> None:
    settings = platform.stack.context.settings
    held: list[int] = []

    def is_limited() -> bool:
        ports = settings.front_port, settings.publisher_metrics_port
        held.append(attacked("half-open-metrics", *ports, SECONDS)["held_at_the_end"])
        # One more may have arrived after the last look.
        return held[-1] <= MOST_METRICS_CONNECTIONS + 1

    await_true(is_limited, lambda: f"held: {held}")
    url = f"http://127.0.0.1:{settings.publisher_metrics_port}/health"
    assert curl(url).status == 200


def test_a_batch_with_too_many_items_is_refused_before_any_is_read(platform: Platform) -> None:
    order = {"customerId": "cust-many", "items": [{}] * 101}
    answer = platform.post("/v1/orders:batchCreate", {"requests": [order] * 100})
    assert answer.status == 400
    assert "must have at most 10000 items in all orders together, has at least 10100" in answer.json["message"]


def test_validation_ends_with_a_hundred_violations(platform: Platform) -> None:
    answer = platform.post("/orders", {"customerId": "cust-many", "items": [{}] * 1000})
    assert answer.status == 400
    assert answer.json["message"].startswith("at least 100 fields are invalid: ")
