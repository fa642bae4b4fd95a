"""API keys of a running stack: made, rotated and revoked by the command while orders arrive, and out of reach."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from front_proxy import Answer, Platform, curl
from stranger import as_stranger, only_root

from stack.running_stack import RunningStack

ORDERS = "/orders"


@pytest.fixture(scope="module")
def stack(closed: Platform) -> RunningStack:
    return closed.stack


def keys(stack: RunningStack, *words: str) -> str:
    """Run `ordermesh keys` for the stack and return its output."""
    env = {**os.environ, "ORDERMESH_HOME": str(stack.stack.state.home)}
    command = [sys.executable, "-P", "-m", "cli", "keys", *words]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def ask(stack: RunningStack, key: str) -> Answer:
    return curl(stack.rest + ORDERS, "-H", f"authorization: Bearer {key}")


def await_status(stack: RunningStack, key: str, status: int) -> None:
    stack.wait_until(lambda: ask(stack, key).status == status, 20, f"the key gets {status}")


def id_of(stack: RunningStack, subject: str) -> str:
    """Return the id of the only key of a subject."""
    (line,) = (line for line in keys(stack, "list").splitlines() if f" {subject} " in line)
    return line.split()[0]


def test_a_key_lives_and_ends_without_a_restart(stack: RunningStack) -> None:
    envoy = stack.pid("envoy")
    first = keys(stack, "create", "--role", "customer", "--subject", "grace", "--name", "shop")
    assert re.fullmatch(r"om_[\w-]{43}", first)
    await_status(stack, first, 200)
    listed = keys(stack, "list")
    assert first not in listed
    assert first[-4:] in listed
    second = keys(stack, "rotate", id_of(stack, "grace"), "--grace", "3s")
    await_status(stack, second, 200)
    # The stack ends the grace.
    await_status(stack, first, 401)
    assert ask(stack, second).status == 200
    assert keys(stack, "revoke", id_of(stack, "grace")).endswith("of customer:grace is revoked")
    await_status(stack, second, 401)
    assert stack.pid("envoy") == envoy


def test_no_call_of_others_is_refused_while_keys_change(stack: RunningStack, tmp_path: Path) -> None:
    output = tmp_path / "load.json"
    options = ["--target", stack.rest, "--rate", "40", "--duration", "12s", "--no-reconcile", "--output", str(output)]
    env = {**os.environ, "ORDERMESH_API_KEY": str(stack.credential)}
    command = [sys.executable, "-P", "-m", "loadgen", *options]
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT) as load:
        changes = 0
        while load.poll() is None:
            subject = f"new-{changes}"
            made = keys(stack, "create", "--role", "customer", "--subject", subject)
            await_status(stack, made, 200)
            keys(stack, "revoke", id_of(stack, subject))
            await_status(stack, made, 401)
            changes += 1
    result = json.loads(output.read_text())
    assert load.returncode == 0
    assert result["orders"]["failed"] == 0
    assert result["orders"]["accepted"] == 480
    assert changes > 0


def test_the_commands_of_a_stack_find_its_key(stack: RunningStack) -> None:
    env = {**os.environ, "ORDERMESH_HOME": str(stack.stack.state.home)}
    for words in (["verify"], ["load", "--rate", "20", "--duration", "1s"], ["status"]):
        command = [sys.executable, "-P", "-m", "cli", *words]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=100)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_load_without_a_key_is_told_what_it_needs(stack: RunningStack) -> None:
    command = [sys.executable, "-P", "-m", "loadgen", "--target", stack.rest, "--duration", "1s"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert "requires an operator's key or token (UNAUTHENTICATED): set ORDERMESH_API_KEY" in done.stderr


@only_root
def test_another_account_reads_no_key(stack: RunningStack) -> None:
    state = stack.stack.state
    for path in (state.operator_key, state.api_keys, state.envoy_keys):
        assert path.exists()
        assert as_stranger("cat", str(path)).returncode != 0, path


def test_logs_and_the_configuration_hold_no_key(stack: RunningStack) -> None:
    key = str(stack.credential)
    state = stack.stack.state
    for path in (*state.logs.iterdir(), state.status, state.home / "envoy.yaml"):
        assert key not in path.read_text(errors="replace"), path
    told = (state.logs / "envoy.log").read_text()
    assert "work-in-progress" not in told
