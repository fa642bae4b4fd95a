"""Starting and stopping: what was stored stays, and no process is left behind."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from command import Place, await_true
from seed import plant

# A stack starts three times here, which takes its time where others work too.
pytestmark = pytest.mark.timeout(300)


def test_data_survives_down_and_up_and_a_sigkill_of_everything(place: Place) -> None:
    plant(place.home)
    assert place.run("up", "--detach").returncode == 0
    first = place.order()
    pids = place.pids()
    done = place.run("down")
    assert (done.returncode, done.stdout.strip()) == (0, "stopped")
    place.await_gone(pids)

    assert place.run("up", "--detach").returncode == 0
    second = place.order()
    place.kill_everything()

    again = place.run("up", "--detach")
    assert again.returncode == 0, again.stderr
    assert [one["orderId"] for one in place.ask("/orders")] == [second, first]
    verified = place.run("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert int(place.ask("/v1/analytics/sales-summary")["ordersTotal"]) == 2
    pids = place.pids()
    assert place.run("down").returncode == 0
    place.await_gone(pids)


def test_an_unprivileged_user_runs_it_and_ctrl_c_leaves_no_process(persons_place: Place) -> None:
    place = persons_place
    up = place.start("up")
    await_true(lambda: "authentication: off, loopback only" in place.said() or up.poll() is not None, place.said)
    assert "curl -s http://127.0.0.1:" in place.said()
    assert "grpcurl -plaintext" in place.said()
    assert place.order()
    pids = place.pids()
    assert len(pids) > 10
    assert not [pid for pid in pids if Path(f"/proc/{pid}").stat().st_uid == 0]
    os.kill(up.pid, signal.SIGINT)
    assert up.wait(60) == 0
    place.await_gone(pids)
    assert "stopped" in place.said()


def test_ctrl_c_while_it_starts_leaves_no_process(place: Place) -> None:
    up = place.start("up")
    await_true(lambda: "postgres" in place.said(), place.said)
    os.kill(up.pid, signal.SIGINT)
    assert up.wait(60) == 0
    pids = place.pids()
    place.await_gone([pid for pid in pids if pid != up.pid])
    assert "Traceback" not in place.said()
