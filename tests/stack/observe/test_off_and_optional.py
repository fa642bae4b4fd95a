"""Without --observe nothing of it is imported; with it, what fails does not keep the stack from being ready."""

from __future__ import annotations

import subprocess
import sys

import pytest

from stack.processes.proc import ProcessId
from stack.supervision.stack_supervisor import start_is_over
from stack.supervision.status import ComponentStatus, StackStatus, State

IMPORTED = """
import sys
import cli.demo.demo, cli.local.lifecycle, cli.local.open, stack.running_stack
print([name for name in sys.modules if name.startswith("stack.observe") or name == "opentelemetry"])
"""


def test_nothing_of_it_is_imported_without_it() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("state", "required", "over"),
    [
        (State.STARTING, True, False),
        (State.DOWN, True, False),
        (State.FAILED, True, True),
        (State.STARTING, False, False),
        (State.DOWN, False, True),
        (State.CRASH_LOOPING, False, True),
        (State.READY, False, True),
    ],
)
def test_a_start_is_over_when_what_is_not_required_has_failed(state: State, required: bool, over: bool) -> None:
    components = {"orders": ComponentStatus(State.READY), "zipkin": ComponentStatus(state, required=required)}
    assert start_is_over(StackStatus(ProcessId(1, 1), "", {}, components)) is over
