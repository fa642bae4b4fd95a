import json
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from fake_platform import Platform, Refusal, ReplyLost, Verdict
from google.rpc import code_pb2

from loadgen.__main__ import main
from loadgen.options import Options, Protocol, Target
from loadgen.reconciliation import reconciler
from loadgen.report.progress import Snapshot
from loadgen.report.result import Result
from loadgen.schedule import Constant
from loadgen.session import run
from loadgen.target import TargetNotReady
from runtime.exit_codes import ExitCode
from stack.machine import ports

PROTOCOLS = pytest.mark.parametrize("protocol", list(Protocol))


class SilentScreen:
    interval_seconds = 0.02

    def say(self, text: str) -> None:
        pass

    def show(self, snapshot: Snapshot) -> None:
        pass

    def close(self) -> None:
        pass


def options_for(platform: Platform, protocol: Protocol = Protocol.REST, **changes: object) -> Options:
    options = Options(
        target=Target("127.0.0.1", platform.port),
        protocol=protocol,
        batch_size=5 if protocol is Protocol.BATCH else 1,
        profile=Constant(100),
        duration_seconds=0.3,
        seed=1,
        retries=3,
        reconcile_seconds=5,
    )
    return replace(options, **changes)


def run_silently(options: Options) -> Result:
    return run(options, SilentScreen())


@PROTOCOLS
def test_every_acknowledged_order_is_explained(platform: Platform, protocol: Protocol) -> None:
    result = run_silently(options_for(platform, protocol))
    assert result.exit_code is ExitCode.OK
    assert (result.orders.offered, result.orders.accepted, result.orders.failed) == (30, 30, 0)
    assert len(platform.orders) == 30
    assert result.reconciliation is not None
    assert result.reconciliation.verdict is reconciler.Verdict.AGREES
    assert result.reconciliation.after is not None
    assert result.reconciliation.after.revenue_minor == round(result.orders.accepted_revenue * 100)
    assert sum(result.per_second.accepted) == 30


def test_orders_of_an_earlier_run_do_not_disturb_the_next(platform: Platform) -> None:
    for _ in range(2):
        assert run_silently(options_for(platform)).exit_code is ExitCode.OK
    assert len(platform.orders) == 60


@PROTOCOLS
def test_refused_orders_are_counted_by_kind_and_leave_nothing(platform: Platform, protocol: Protocol) -> None:
    def refuse_every_third(request_id: str) -> None:
        if int(request_id[-12:], 16) % 3 == 0:
            raise Refusal(code_pb2.RESOURCE_EXHAUSTED, "OVERLOADED")

    platform.before_store = refuse_every_third
    result = run_silently(options_for(platform, protocol))
    assert result.errors == {"RESOURCE_EXHAUSTED/OVERLOADED": 10}
    assert (result.orders.accepted, result.orders.failed, result.orders.unanswered) == (20, 10, 0)
    assert result.reconciliation is not None
    assert result.reconciliation.verdict is reconciler.Verdict.AGREES
    assert result.exit_code is ExitCode.ERRORS
    assert run_silently(options_for(platform, protocol, max_error_share=0.5)).exit_code is ExitCode.OK


@PROTOCOLS
def test_a_lost_reply_is_asked_for_again_with_the_same_request_id(platform: Platform, protocol: Protocol) -> None:
    def lose_first_reply(request_id: str) -> None:
        if platform.attempt(request_id) == 1:
            raise ReplyLost

    platform.after_store = lose_first_reply
    result = run_silently(options_for(platform, protocol, retries=20))
    assert (result.orders.accepted, result.orders.failed) == (30, 0)
    assert len(platform.orders) == 30
    assert set(result.retries) == {"connection_lost" if protocol is Protocol.REST else "UNAVAILABLE"}
    assert sum(result.retries.values()) >= 30
    assert result.exit_code is ExitCode.OK


@PROTOCOLS
def test_an_order_whose_replies_are_all_lost_may_be_stored_or_not(platform: Platform, protocol: Protocol) -> None:
    def lose_replies_of_five(request_id: str) -> None:
        if int(request_id[-12:], 16) <= 5:
            raise ReplyLost

    platform.after_store = lose_replies_of_five
    result = run_silently(options_for(platform, protocol, retries=1, max_error_share=1))
    assert (result.orders.accepted, result.orders.unanswered) == (25, 5)
    assert result.exit_code is ExitCode.OK


@pytest.mark.parametrize("miscounted", [-1, 1])
def test_an_order_lost_or_counted_twice_is_exit_code_1(platform: Platform, miscounted: int) -> None:
    platform.miscounted_orders = miscounted
    result = run_silently(options_for(platform))
    assert result.exit_code is ExitCode.DIFFERS
    assert result.reconciliation is not None
    assert result.reconciliation.problems == [f"orders counted: {30 + miscounted}, acknowledged: 30"]


@PROTOCOLS
def test_orders_of_another_client_are_told_and_are_no_reason_to_fail(platform: Platform, protocol: Protocol) -> None:
    platform.after_store = lambda request_id: platform.store_others() and None
    result = run_silently(options_for(platform, protocol))
    assert result.exit_code is ExitCode.OK
    assert result.reconciliation is not None
    assert (result.reconciliation.problems, result.reconciliation.other_orders) == ([], 30)
    assert result.reconciliation.notes == ["another client created 30 orders"]


@PROTOCOLS
def test_an_own_order_that_is_lost_is_named_though_others_make_up_for_it(
    platform: Platform, protocol: Protocol
) -> None:
    def lose_the_third(request_id: str) -> None:
        platform.store_others()
        if int(request_id[-12:], 16) == 3:
            del platform.stored[platform.order_ids[request_id]]

    platform.after_store = lose_the_third
    result = run_silently(options_for(platform, protocol))
    assert result.exit_code is ExitCode.DIFFERS
    [lost] = [order_id for order_id in platform.order_ids.values() if order_id not in platform.stored]
    assert f"1 of this run's orders acknowledged but not stored: {lost}" in result.reconciliation.problems


def test_an_own_order_that_is_stored_again_after_a_lost_reply_is_told_from_those_of_others(platform: Platform) -> None:
    def store_the_third_twice(request_id: str) -> None:
        platform.store_others()
        if int(request_id[-12:], 16) == 3 and platform.attempt(request_id) == 1:
            platform.store(platform.orders[request_id])
            raise ReplyLost

    platform.after_store = store_the_third_twice
    result = run_silently(options_for(platform, retries=20))
    assert result.exit_code is ExitCode.DIFFERS
    assert [one for one in result.reconciliation.problems if "stored twice under another id" in one]


def test_another_client_that_sends_the_very_same_orders_is_not_taken_for_a_fault(platform: Platform) -> None:
    def send_all_twice(request_id: str) -> None:
        if platform.attempt(request_id) == 1:
            platform.store(platform.orders[request_id])
            if int(request_id[-12:], 16) == 3:
                raise ReplyLost

    platform.after_store = send_all_twice
    result = run_silently(options_for(platform, retries=20))
    assert (result.exit_code, result.reconciliation.other_orders) == (ExitCode.OK, 30)


def test_what_differed_before_the_run_is_told_and_not_held_against_it(platform: Platform) -> None:
    platform.store_others()
    platform.verdict = Verdict.DIFFERS
    result = run_silently(options_for(platform))
    assert result.exit_code is ExitCode.OK
    assert result.reconciliation.notes == ["before this run: 2 events are lost"]


def test_a_client_that_never_rests_keeps_no_run_from_its_verdict(platform: Platform) -> None:
    platform.store_others()
    platform.verdict, platform.busy, platform.oldest_pending_seconds = Verdict.IN_FLIGHT, True, 0.0
    result = run_silently(options_for(platform))
    assert result.exit_code is ExitCode.OK
    assert result.reconciliation.before is None
    assert result.reconciliation.other_orders > 0


def test_orders_that_the_generator_could_not_send_are_not_held_against_the_platform(platform: Platform) -> None:
    slow = threading.Event()
    platform.before_store = lambda request_id: slow.wait(0.1) and None
    result = run_silently(options_for(platform, max_in_flight=1, timeout_seconds=0.3))
    assert result.orders.not_sent > 0
    assert result.errors == {}
    assert result.exit_code is ExitCode.OK
    assert any("never sent" in reason for reason in result.outcome.void_because)


def test_what_the_pipeline_finds_itself_is_exit_code_1_also_with_other_clients(platform: Platform) -> None:
    platform.verdict = Verdict.DIFFERS
    result = run_silently(options_for(platform, exclusive=False))
    assert result.exit_code is ExitCode.DIFFERS
    assert result.reconciliation is not None
    assert result.reconciliation.problems == ["2 events are lost"]
    assert result.reconciliation.after is None


def test_events_that_stay_on_their_way_are_not_taken_for_agreement(platform: Platform) -> None:
    platform.verdict = Verdict.IN_FLIGHT
    result = run_silently(options_for(platform, reconcile_seconds=1))
    assert result.exit_code is ExitCode.NOT_PROVEN
    assert result.reconciliation is not None
    assert result.reconciliation.in_flight == 3


def test_latency_counts_from_when_an_order_was_due_however_long_it_was_held_back(platform: Platform) -> None:
    released = threading.Event()

    class ReleaseWhenAllAreDue(SilentScreen):
        def show(self, snapshot: Snapshot) -> None:
            if snapshot.offered == 30:
                released.set()

    platform.before_store = lambda request_id: released.wait(30) and None
    result = run(options_for(platform, max_in_flight=1), ReleaseWhenAllAreDue())
    assert result.held_calls == 29
    assert result.orders.accepted == 30
    assert result.latency_ms.accepted["max"] >= 290
    assert result.latency_ms.accepted["p50"] >= 140


def test_orders_held_back_too_long_are_never_sent_and_a_silent_server_is_a_timeout(platform: Platform) -> None:
    released = threading.Event()
    platform.before_store = lambda request_id: released.wait(30) and None
    try:
        result = run_silently(options_for(platform, max_in_flight=1, timeout_seconds=0.5, reconcile=False))
    finally:
        released.set()
    assert result.orders.offered == 30
    assert result.errors.keys() == {"timeout"}
    assert result.orders.unanswered == result.errors["timeout"]
    assert result.orders.not_sent == 30 - result.errors["timeout"]
    assert result.orders.not_sent > 0
    assert result.exit_code is ExitCode.ERRORS


def test_a_target_that_is_not_up_is_exit_code_3_and_told_in_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    [port] = ports.allocate(1)
    assert main(["--target", f"http://127.0.0.1:{port}"]) == ExitCode.UNREACHABLE
    told = capfd.readouterr().err.strip().splitlines()
    assert len(told) == 1
    assert f"http://127.0.0.1:{port} does not respond" in told[0]


class OtherServer(BaseHTTPRequestHandler):
    server_version = "Metrics/1"
    sys_version = ""

    def do_GET(self) -> None:
        self.send_response(404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_another_server_at_the_target_is_told_before_anything_is_sent(capfd: pytest.CaptureFixture[str]) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), OtherServer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        assert main(["--target", f"http://127.0.0.1:{port}"]) == ExitCode.UNREACHABLE
        server.shutdown()
    (told,) = capfd.readouterr().err.strip().splitlines()
    assert f"http://127.0.0.1:{port} is not a front proxy" in told
    assert "HTTP/1.0 404 Not Found, Server: Metrics/1" in told


def test_a_pipeline_with_orders_on_their_way_is_not_measured(platform: Platform) -> None:
    assert run_silently(options_for(platform)).exit_code is ExitCode.OK
    platform.verdict = Verdict.IN_FLIGHT
    with pytest.raises(TargetNotReady, match="still in flight"):
        run_silently(options_for(platform, reconcile_seconds=1))


def test_a_wrong_option_is_exit_code_2_and_told_in_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--rate", "-1"]) == ExitCode.USAGE
    assert capfd.readouterr().err.strip().count("--rate") == 1


def test_the_seed_is_printed_and_every_field_of_the_result_is_described(
    platform: Platform, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "result.json"
    argv = ["--target", platform.target, "--duration", "200ms", "--seed", "42", "--output", str(output)]
    assert main(argv) == ExitCode.OK
    assert "--seed 42" in capfd.readouterr().out
    description = (Path(__file__).parents[2] / "loadgen" / "README.md").read_text(encoding="utf-8")
    result = json.loads(output.read_text(encoding="utf-8"))
    fields = [key if not isinstance(value, dict) else [key, *value] for key, value in result.items()]
    missing = [name for group in fields for name in ([group] if isinstance(group, str) else group)]
    free_form = {*result["versions"]}
    assert [name for name in missing if f"`{name}`" not in description and name not in free_form] == []


def test_a_run_whose_output_is_full_ends_with_its_verdict_and_its_result(platform: Platform, tmp_path: Path) -> None:
    output = tmp_path / "result.json"
    argv = ["--target", platform.target, "--duration", "200ms", "--output", str(output)]
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "loadgen", *argv], stdout=full, stderr=subprocess.PIPE, timeout=60)
    assert (done.returncode, done.stderr) == (ExitCode.OK, b"")
    assert json.loads(output.read_text(encoding="utf-8"))["reconciliation"]["verdict"] == "AGREES"


def test_ctrl_c_ends_the_run_early_and_still_reports(platform: Platform, tmp_path: Path) -> None:
    output = tmp_path / "result.json"
    argv = ["--target", platform.target, "--duration", "1h", "--output", str(output)]
    process = subprocess.Popen([sys.executable, "-m", "loadgen", *argv], stdout=subprocess.PIPE, text=True)
    assert platform.stored_one.wait(60)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == ExitCode.OK
    assert "the run was interrupted" in printed
    result = json.loads(output.read_text(encoding="utf-8"))
    assert result["timing"]["interrupted"] is True
    assert result["orders"]["accepted"] == len(platform.orders)
