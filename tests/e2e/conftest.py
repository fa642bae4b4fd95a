"""The shared stack for the tests of this folder, and another front proxy of it with a low rate limit."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
from front_proxy import Answer, Platform
from frontdoor.render import render
from frontdoor.values import Address
from shared_stack import first_list_of_shared_stack, shared_stack

from stack.machine import ports
from stack.processes.runners import running
from stack.running_stack import RunningStack
from stack.servers.envoy import Envoy
from stack.supervision.front_proxy import envoy_values

LOW_LIMIT_PER_SECOND = 4


@pytest.fixture(scope="session")
def new_stack() -> RunningStack:
    return shared_stack()


@pytest.fixture(scope="session")
def first_list() -> Answer:
    """What the platform lists before anybody has ordered from it."""
    return first_list_of_shared_stack()


@pytest.fixture(scope="session")
def platform(new_stack: RunningStack) -> Platform:
    return Platform(new_stack)


@pytest.fixture(scope="module")
def limited_platform(platform: Platform) -> Iterator[Platform]:
    context = platform.stack.context
    front, stats = ports.allocate(2)
    own = {"front_port": front, "envoy_stats_port": stats, "rate_limit_per_second": LOW_LIMIT_PER_SECOND}
    limited = dataclasses.replace(context, settings=context.settings.model_copy(update=own))
    admin = context.run_dir / "limited-admin.sock"
    config = context.state.home / "envoy-limited.yaml"
    config.write_text(render(dataclasses.replace(envoy_values(limited), admin=Address(str(admin)))))
    with running(Envoy(config, admin, context.log("envoy-limited"))):
        yield Platform(platform.stack, front)
