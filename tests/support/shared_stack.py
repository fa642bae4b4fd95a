"""One stack for tests of several folders that leave it whole; tests/conftest.py stops it after the last of them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from front_proxy import Answer, Platform
from otlp_receiver import OtlpReceiver, otlp_receiver
from seed import seeded_stack

from stack.running_stack import RunningStack

_held = contextlib.ExitStack()


@dataclass(frozen=True)
class Shared:
    """The running stack, the collector that it sends its spans to, and what it lists before anybody has ordered."""

    stack: RunningStack
    collector: OtlpReceiver
    first_list: Answer


_running: list[Shared] = []


def shared_stack() -> RunningStack:
    """Return the running stack of this process, started when there is none."""
    return _shared().stack


def shared_collector() -> OtlpReceiver:
    """Return the collector of the running stack of this process."""
    return _shared().collector


def first_list_of_shared_stack() -> Answer:
    """Return what the running stack of this process listed before anybody had ordered from it."""
    return _shared().first_list


def _shared() -> Shared:
    if not _running:
        collector = _held.enter_context(otlp_receiver())
        stack = _held.enter_context(seeded_stack(otlp_endpoint=collector.endpoint))
        _running.append(Shared(stack, collector, Platform(stack).curl("/orders")))
    return _running[0]


def stop_shared_stack() -> None:
    """Stop the stack; the next test that asks for one gets a new one."""
    _running.clear()
    _held.close()
