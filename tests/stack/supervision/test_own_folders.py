"""A service that was taken over changes no folder of another one, although all have one account."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import pytest
from stranger import only_root

from stack.machine.state_folder import StateFolder
from stack.processes import privileges
from stack.processes.logfile import LogFile
from stack.processes.process import Command, Process
from stack.processes.server_account import ENVOY, SERVICES, find
from stack.servers.credentials import load_or_create
from stack.settings import StackSettings
from stack.supervision.stack_context import StackContext

# Tries to put a socket of its own in the place of each path, and to make a file beside it; prints what succeeded.
TAKES_PLACES = """
import json, os, socket, sys
own, paths = json.load(sys.stdin)
done = []
for path in paths:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(own)
    for attempt in (
        lambda: os.rename(path, path + ".away"),
        lambda: os.rename(os.path.dirname(path), os.path.dirname(path) + ".away"),
        lambda: os.rename(own, path),
        lambda: os.unlink(path),
        lambda: open(os.path.join(os.path.dirname(path), "made"), "w"),
        lambda: os.mkdir(os.path.join(os.path.dirname(os.path.dirname(path)), "made")),
    ):
        try:
            attempt()
            done.append(path)
        except OSError:
            pass
    listening.close()
    if os.path.exists(own):
        os.unlink(own)
print(json.dumps(done))
"""


@pytest.fixture
def context(state: StateFolder) -> StackContext:
    made = StackContext(StackSettings.with_free_ports(), state, state.run_dir(), load_or_create(state.credentials))
    made.make_folders()
    return made


def taken_over(context: StackContext, program: str, script: str, given: object) -> object:
    """Return what a script printed that ran as this program of the stack runs."""
    log = LogFile(context.state.logs / f"taken-over-{program}.log")
    log.path.unlink(missing_ok=True)
    granted = privileges.of_service({}, context.own_folders(program), ())
    words = [sys.executable, "-P", "-c", script]
    process = Process(
        Command(program, words, {}, granted.account, granted.confinement, json.dumps(given).encode()), log
    )
    process.start()
    assert process.wait(60)
    assert process.returncode == 0, log.tail()
    return json.loads(log.tail(1))


@only_root
@pytest.mark.skipif(privileges.MEASURED in os.environ, reason="what coverage measures runs as root")
def test_a_service_takes_the_place_of_no_other_service(context: StackContext) -> None:
    account = find(SERVICES)
    assert account is not None
    found: list[Path] = [*context.orders_sockets, *context.other_sockets.values()]
    for path in found:
        context.own_folders(path.parent.name)
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
        os.chown(path, account.uid, account.gid)
    sockets, temporary = context.own_folders("publisher")
    others = [context.own_folders(name)[1] / "file" for name in ("orders", "gateway")]
    given = [str(sockets / "own.sock"), [*map(str, found), *map(str, others)]]
    assert taken_over(context, "publisher", TAKES_PLACES, given) == []
    # What it may do is enough to serve.
    made = taken_over(context, "publisher", TAKES_PLACES, [str(temporary / "own.sock"), [str(sockets / "own.sock")]])
    assert made


@only_root
def test_envoy_reaches_the_sockets_of_each_service_and_changes_none(context: StackContext) -> None:
    services, envoy = find(SERVICES), find(ENVOY)
    assert services is not None
    assert envoy is not None
    for folder in (context.sockets, context.temporary):
        assert (folder.stat().st_uid, folder.stat().st_mode & 0o777) == (0, 0o711)
    sockets, temporary = context.own_folders("gateway")
    assert (sockets.stat().st_uid, sockets.stat().st_gid) == (services.uid, envoy.gid)
    assert sockets.stat().st_mode & 0o7777 == 0o2750
    assert (temporary.stat().st_uid, temporary.stat().st_mode & 0o777) == (services.uid, 0o700)
