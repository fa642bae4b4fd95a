"""The figures of a row, from calls whose times are known; and the command's own rules."""

from __future__ import annotations

import subprocess
from typing import NoReturn

import pytest
from ordermesh.orders.v1 import orders_pb2

from faults import run
from faults.__main__ import main
from faults.injection.broker_listeners import prefix
from faults.load import timeline
from faults.load.journal import BYSTANDER, CREATE, Call, outcomes
from faults.scenario import load_all
from loadgen.transports.answers import Outcome
from runtime.exit_codes import ExitCode
from stack.errors import ServerFailed


def call(ended_at: float, *, took: float = 0.01, outcome: Outcome = Outcome.ACCEPTED, by: str = BYSTANDER) -> Call:
    request = orders_pb2.CreateOrderRequest(request_id="r1")
    return Call(CREATE, request, ended_at - took, by=by, outcome=outcome, ended_at=ended_at)


def test_the_time_until_others_are_served_is_the_longest_without_an_accepted_order() -> None:
    calls = [call(1), call(2), call(5.5), call(6), call(7, outcome=Outcome.REFUSED)]
    assert timeline.served_seconds(calls, injected_at=2.5, until=8) == 3.0
    assert timeline.served_seconds(calls[:2], injected_at=2.5, until=8) == 5.5


def test_the_throughput_is_back_with_the_first_window_that_has_its_share() -> None:
    steady = [number / 10 for number in range(100)]
    late = [moment for moment in steady if not 2 <= moment < 5]
    assert timeline.recovered_seconds(steady, 10, repaired_at=2, until=10) == 0
    assert timeline.recovered_seconds(late, 10, repaired_at=2, until=10) == 3.0
    assert timeline.recovered_seconds(late, 20, repaired_at=2, until=10) is None


def test_the_worst_latency_is_that_of_accepted_orders_of_the_bystander() -> None:
    calls = [call(1, took=0.2), call(2, took=3, outcome=Outcome.UNKNOWN), call(3, took=5, by="customer")]
    assert timeline.worst_ms(calls) == 200.0
    assert timeline.worst_ms([]) is None


def test_a_request_is_refused_only_if_every_call_was() -> None:
    refused, unknown, accepted = (call(1, outcome=one) for one in (Outcome.REFUSED, Outcome.UNKNOWN, Outcome.ACCEPTED))
    assert outcomes([refused, refused]) == {"r1": Outcome.REFUSED}
    assert outcomes([refused, unknown]) == outcomes([unknown, refused]) == {"r1": Outcome.UNKNOWN}
    assert outcomes([unknown, accepted, refused]) == {"r1": Outcome.ACCEPTED}


@pytest.mark.parametrize(("node", "publisher", "gateway"), [(1, (2, 3), (4, 5)), (2, (6, 7), (8, 9))])
def test_each_broker_has_further_listeners_of_its_own_and_authenticates_on_each(
    node: int, publisher: tuple[int, int], gateway: tuple[int, int]
) -> None:
    known = "listeners=CLIENTS://127.0.0.1:1\nadvertised.listeners=CLIENTS://127.0.0.1:1\n"
    known += f"listener.security.protocol.map=CLIENTS:SASL_PLAINTEXT\nnode.id={node}\n"
    known += "listener.name.clients.sasl=a=b\n"
    command = prefix([{"publisher": (2, 3), "gateway": (4, 5)}, {"publisher": (6, 7), "gateway": (8, 9)}])
    done = subprocess.run([*command, "cat"], input=known, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(known)
    assert done.stdout.removeprefix(known).splitlines() == [
        f"listeners=CLIENTS://127.0.0.1:1,PUBLISHER://127.0.0.1:{publisher[0]},GATEWAY://127.0.0.1:{gateway[0]}",
        f"advertised.listeners=CLIENTS://127.0.0.1:1,PUBLISHER://127.0.0.1:{publisher[1]}"
        f",GATEWAY://127.0.0.1:{gateway[1]}",
        "listener.security.protocol.map=CLIENTS:SASL_PLAINTEXT,PUBLISHER:SASL_PLAINTEXT,GATEWAY:SASL_PLAINTEXT",
        "listener.name.publisher.sasl=a=b",
        "listener.name.gateway.sasl=a=b",
    ]


def test_each_fault_of_the_table_has_a_scenario_and_a_selection_runs_in_ci() -> None:
    known = load_all()
    assert [f"F{number}" for number in range(1, 28)] == list(dict.fromkeys(one.fault for one in known.values()))
    assert all(one.what for one in known.values())
    assert any(one.selected for one in known.values())


def test_a_platform_that_does_not_start_is_a_row_for_each_scenario_that_needs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object, **__: object) -> NoReturn:
        raise ServerFailed("kafka-2 did not become ready")

    monkeypatch.setattr(run, "platform", broken)
    known = load_all()
    rows = list(run.run_all([known["F14.timeouts"], known["F12.killed"]], 3, brief=True))
    assert {row.scenario: (row.verdict, row.notes, row.good) for row in rows} == {
        name: (run.NOT_RUN, {"not run": "kafka-2 did not become ready"}, False)
        for name in ("F12.killed", "F14.timeouts")
    }


def test_a_fault_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["F28"]) == ExitCode.USAGE
    assert "no fault 'F28'" in capsys.readouterr().err
