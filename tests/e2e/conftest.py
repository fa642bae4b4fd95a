"""The shared stack for the tests of this folder, and another front proxy of it with a low rate limit."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
from front_proxy import Answer, Platform
from frontdoor.render import render
from shared_stack import shared_stack

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
def first_list(new_stack: RunningStack) -> Answer:
    """What the platform lists before anybody has ordered from it."""
    return Platform(new_stack).curl("/orders")


@pytest.fixture(scope="session")
def platform(new_stack: RunningStack, first_list: Answer) -> Platform:
    return Platform(new_stack)


@pytest.fixture(scope="module")
def limited_platform(platform: Platform) -> Iterator[Platform]:
    context = platform.stack.context
    front, admin, stats = ports.allocate(3)
    own = {"front_port": front, "envoy_admin_port": admin, "envoy_stats_port": stats}
    settings = context.settings.model_copy(update={**own, "rate_limit_per_second": LOW_LIMIT_PER_SECOND})
    config = context.state.home / "envoy-limited.yaml"
    config.write_text(render(envoy_values(dataclasses.replace(context, settings=settings))))
    with running(Envoy(config, admin, context.log("envoy-limited"))):
        yield Platform(platform.stack, front)
