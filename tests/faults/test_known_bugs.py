"""The checker is checked: each known bug is put into a running platform, and the oracle names what it broke."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import NamedTuple

import pytest

from faults.oracle import counts, events, orders, stock
from faults.platform import platform
from faults.run import run_one
from faults.scenario import load_all

SWITCHES = Path(__file__).with_name("switches")
# A platform of its own for each.
pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


class Bug(NamedTuple):
    """A bug as module.function of the switches, the scenario under which it matters, and the rule that names it."""

    name: str
    scenario: str
    rule: str


BUGS = (
    Bug("publisher.mark_before_acknowledgement", "F2.broker-down", events.MISSING),
    Bug("publisher.cursor_skips_late_commits", "F18.late-commit", events.UNPUBLISHED),
    Bug("publisher.newest_first", "F2.broker-down", events.DISORDER),
    Bug("publisher.gives_up_in_an_outage", "F2.broker-down", events.UNPUBLISHED),
    Bug("processor.dedup_outside_the_transaction", "F3.any-time", counts.METRIC),
    Bug("processor.replay_without_dedup", "F17.republished", counts.METRIC),
    Bug("processor.dedup_in_memory", "F5.worker", counts.METRIC),
    Bug("processor.metric_applied_twice", "F3.any-time", counts.METRIC),
    Bug("processor.forgets_dead_letters", "F16.poison", counts.DEAD_LETTER),
    Bug("orders.acknowledges_before_commit", "F1.any-time", orders.LOST),
    Bug("orders.forgets_request_ids", "F20.same-id", orders.CONTRADICTED),
    Bug("orders.change_without_event", "F1.any-time", events.MISSING),
    Bug("orders.untrue_refusal", "F8.answers-lost", orders.REFUSED_STORED),
    Bug("orders.loses_restock_release", "F1.any-time", stock.LEFT_WAITING),
    Bug("orders.keeps_cancelled_stock", "F1.any-time", stock.UNITS),
)


@pytest.mark.parametrize("bug", BUGS, ids=[bug.name for bug in BUGS])
def test_a_known_bug_is_named(bug: Bug) -> None:
    component = bug.name.partition(".")[0]
    scenario = load_all()[bug.scenario]
    with contextlib.ExitStack() as held:
        world = held.enter_context(platform(scenario.needs, 1, brief=True))
        variables = {"PYTHONPATH": str(SWITCHES), "PYTHONDONTWRITEBYTECODE": "1", "SEEDED_BUG": bug.name}
        world.launches.add_variables(component, variables)
        world.kill(component)
        row = run_one(world, scenario, 1)
    assert any(found.startswith(bug.rule) for found in row.violations), row


def test_every_rule_of_the_oracle_names_a_bug_or_is_known_to_name_none() -> None:
    assert len({bug.name for bug in BUGS}) == len(BUGS) >= 12
    assert {bug.scenario for bug in BUGS} <= load_all().keys()
