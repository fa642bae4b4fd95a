"""`ordermesh up --brokers 3`: a cluster of the stack's own."""

from __future__ import annotations

import pytest
from three_brokers import assert_copies

from faults.injection.launches import Launches
from faults.run import run_one
from faults.scenario import Needs, Scenario
from faults.world import World
from runtime.kafka.access import OPERATOR
from stack.errors import SettingInvalid
from stack.machine.state_folder import temporary_home
from stack.processes import proc
from stack.running_stack import running_stack
from stack.settings import StackSettings
from stack.supervision.stack_supervisor import Stack

pytestmark = pytest.mark.timeout(900)
BROKERS = ("kafka-1", "kafka-2", "kafka-3")


def kill_second(world: World) -> None:
    with world.fault():
        world.kill("kafka-2")


def test_three_brokers_start_lose_one_count_on_and_all_stop_together() -> None:
    with temporary_home() as home:
        with running_stack(home=home, kafka_brokers=3) as stack:
            assert set(BROKERS) <= set(stack.stack.status.components)
            assert_copies(stack.context.kafka_settings(OPERATOR))
            world = World(stack, Launches())
            world.customers.create_products()
            row = run_one(world, Scenario("F12.second", "the second broker is killed", kill_second, Needs()), 3)
            assert row.good, row
        assert not [pid for node in (1, 2, 3) for pid in proc.working_in(home / f"kafka/broker-{node}", "java")]
        with pytest.raises(SettingInvalid, match="ORDERMESH_KAFKA_BROKERS is 1"):
            Stack(home, StackSettings.with_free_ports()).up()
