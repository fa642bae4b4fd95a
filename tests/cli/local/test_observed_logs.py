"""`ordermesh up --logs` as a person sees it: the lines of one order by its trace id, and strangers see none."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from command import ITEM, JSON, Place, ports_of
from stranger import as_stranger
from waiting import await_true

from stack.machine import ports
from stack.machine.state_folder import temporary_home

pytestmark = [pytest.mark.long, pytest.mark.timeout(470)]
PRINTED = re.compile(r"^log lines of one order, by its trace id: (.*)$", re.MULTILINE)
LINES = {
    ("envoy", "request"),
    ("orders", "order accepted"),
    ("publisher", "event published"),
    ("processor", "event counted"),
}
START_SECONDS = 300
# A machine with other work, on which OpenSearch takes 25 s of CPU to start.
PATIENCE_SECONDS = 240


@dataclass(frozen=True)
class Logged:
    """A stack that was started with `--logs`, and the command that it printed."""

    place: Place
    command: str

    def order(self) -> str:
        """Place an order and return the id of its trace."""
        trace_id = secrets.token_hex(16)
        headers = {**JSON, "traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01"}
        body = json.dumps({"customerId": "cust-logged", "items": [ITEM]}).encode()
        url = self.place.status.addresses["rest"] + "/orders"
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=20):
            return trace_id

    def said(self, trace_id: str) -> set[tuple[str, str]]:
        """Return who said what of a trace, as the printed command shows it."""
        command = self.command.replace("TRACE_ID", trace_id)
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
        hits = json.loads(done.stdout).get("hits", {}).get("hits", []) if done.stdout.startswith("{") else []
        return {(hit["_source"]["service.name"], hit["_source"]["message"]) for hit in hits}

    def await_lines(self, trace_id: str) -> None:
        """Wait until every service's line of an order is found."""
        await_true(lambda: self.said(trace_id) == LINES, lambda: str(self.said(trace_id)), PATIENCE_SECONDS)

    def restarted(self, name: str) -> None:
        """Kill a program, and wait until another one is ready in its place."""
        killed = self.place.status.components[name].pid
        assert killed is not None
        os.kill(killed, signal.SIGKILL)

        def again() -> bool:
            now = self.place.status.components[name]
            return now.pid not in (None, killed) and now.state == "ready"

        await_true(again, lambda: str(self.place.status.components[name]), PATIENCE_SECONDS)


@pytest.fixture(scope="module")
def logged() -> Iterator[Logged]:
    with temporary_home() as home:
        place = Place(home)
        place.env["ORDERMESH_OBSERVE_PORT"] = str(ports.allocate(1)[0])
        up = place.command("up", "--detach", "--logs")
        done = subprocess.run(up, env=place.env, capture_output=True, text=True, timeout=START_SECONDS)
        assert done.returncode == 0, done.stdout + done.stderr
        printed = PRINTED.search(done.stdout)
        assert printed, done.stdout
        try:
            yield Logged(place, printed[1])
        finally:
            place.clear()


def test_the_printed_command_finds_every_services_line_of_an_order(logged: Logged) -> None:
    logged.await_lines(logged.order())


def test_a_stranger_reads_nothing_and_a_person_changes_nothing(logged: Logged) -> None:
    front = logged.place.status.addresses["observe"] + "/logs/"
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(front + "_search", timeout=20)
    login = logged.command.split(" -K ")[1].split()[0]
    for method in ("POST", "PUT", "DELETE"):
        command = ["curl", "-s", "-K", login, "-X", method, "-w", "%{http_code}", f"{front}ordermesh-logs-x"]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "405"
    # The password is in no command line and in no file that others read.
    assert as_stranger("cat", login).returncode != 0
    pid = logged.place.status.components["opensearch"].pid
    assert pid is not None
    own = ports_of(pid)
    # That for requests, and that of its nodes.
    assert len(own) == 2
    for port in own:
        for scheme in ("http", "https"):
            done = as_stranger("curl", "-sk", f"{scheme}://127.0.0.1:{port}/_search", seconds=30)
            assert (done.returncode != 0, done.stdout) == (True, ""), f"{port} answers over {scheme}"


@pytest.mark.parametrize("name", ["rsyslog", "opensearch"])
def test_lines_of_an_order_are_found_though_the_program_is_killed(logged: Logged, name: str) -> None:
    before = logged.order()
    logged.restarted(name)
    logged.await_lines(before)
    logged.await_lines(logged.order())


def test_down_leaves_no_process(logged: Logged) -> None:
    pids = logged.place.pids()
    assert logged.place.run("down").returncode == 0
    logged.place.await_gone(pids)
