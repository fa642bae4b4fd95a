import json
import os
import re
import subprocess
import sys
from dataclasses import asdict, replace

import pytest
from ordermesh.orders.v1.orders_pb2 import BatchCreateOrdersRequest, CreateOrderRequest

from bench.loads import bodies, h2load
from bench.measure import open_model
from bench.measure.open_model import Sample
from bench.peers import environment
from bench.report import baseline_check, goals, result, summary
from bench.report.result import Result
from bench.subjects import accounting

COSTS = {"orders": 60.0, "envoy": 40.0, "postgres": 30.0, "publisher": 10.0, "kafka": 30.0, "workers": 10.0}


def a_peak(subject: str, load: str, rate: float, **costs: float) -> dict[str, object]:
    cpu = COSTS | costs
    return {
        "subject": subject,
        "load": load,
        "orders_per_second": rate,
        "cpu_us_per_order": cpu,
        "cpu_us_per_order_total": sum(cpu.values()),
        "wal_bytes_per_order": 1500.0,
        "cores_elsewhere": 0.1,
        "reconciled": True,
        "backlog": [(0.25, 100, 50), (0.5, 200, 200)],
    }


def a_result(*peaks: dict[str, object]) -> Result:
    return replace(result.begin("test"), peaks=list(peaks))


def test_a_group_costs_what_its_processes_and_their_ended_children_used() -> None:
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'sum(range(10**7))']); input()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE) as process:
        roots = {"it": [process.pid]}
        before = accounting.Cost({"it": 0})
        while accounting.measure_cost(roots).since(before)["it"] < 100_000:
            assert process.poll() is None
        assert accounting.memory_bytes(roots)["it"] > 0
        process.communicate(b"\n")


def test_a_group_whose_processes_are_gone_costs_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    assert accounting.measure_cost({"gone": [process.pid]}).cpu_us == {"gone": 0}


def test_the_bodies_are_orders_of_the_contract_without_a_request_id() -> None:
    frame = bodies.grpc_body()
    order = CreateOrderRequest.FromString(frame[5:])
    assert (frame[0], int.from_bytes(frame[1:5])) == (0, len(frame) - 5)
    assert (order.request_id, [item.product_id for item in order.items]) == ("", ["p1", "p2"])
    assert len(BatchCreateOrdersRequest.FromString(bodies.batch_body(7)[5:]).requests) == 7
    assert json.loads(bodies.rest_body())["customerId"] == order.customer_id


def test_what_h2load_says_becomes_calls_time_and_percentiles() -> None:
    output = "requests: 3 total, 3 started, 3 done, 2 succeeded, 1 failed\nstatus codes: 2 2xx, 0 3xx, 1 4xx, 0 5xx\n"
    log = "1000000\t200\t2000\n1000000\t429\t100\n1500000\t200\t4000\n"
    answers = h2load.read(output, log, calls=3, cpu_us=9)
    assert (answers.calls, answers.refused, answers.cpu_us) == (2, 1, 9)
    assert answers.seconds == pytest.approx(0.504)
    assert (answers.latency_ms["p50"], answers.latency_ms["max"]) == (2.0, 4.0)


def test_costs_at_a_fixed_rate_are_those_between_the_first_and_the_last_order() -> None:
    samples = [
        Sample(0, 0, 0, accounting.Cost({"orders": 0})),
        Sample(5, 100, 90, accounting.Cost({"orders": 1_000_000})),
        Sample(7, 300, 290, None),
        Sample(10, 600, 590, accounting.Cost({"orders": 3_000_000})),
        Sample(15, 700, 700, accounting.Cost({"orders": 9_000_000})),
    ]
    sending = open_model.while_sending(samples)
    assert (sending.cpu_us, sending.orders, sending.seconds) == ({"orders": 2_000_000}, 500, 5)


def test_the_check_names_the_stage_that_got_worse_and_no_other(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(baseline_check, "BASELINE", tmp_path / "baseline.json")
    bare = a_peak("bare-native", "grpc", 5000)
    baseline_check.save(a_result(bare, a_peak("product", "grpc", 4000)))
    changes = baseline_check.compare(a_result(bare, a_peak("product", "grpc", 3000, publisher=20.0, kafka=31.0)))
    assert [(change.run, change.stage) for change in changes if change.worse] == [("product grpc", "publisher")]
    assert "publisher" in next(baseline_check.report(changes))


def test_of_several_rounds_the_check_takes_the_cheapest() -> None:
    bare = [a_peak("bare-native", "grpc", 5000), a_peak("bare-native", "grpc", 4000, orders=90.0)]
    product = [a_peak("product", "grpc", 4000), a_peak("product", "grpc", 3000, kafka=90.0)]
    found = baseline_check.ratios(a_result(*bare, *product))
    assert found == baseline_check.ratios(a_result(*reversed([*product, *bare])))
    assert found["product grpc"]["kafka"] == round(30 / 180, 4)


def test_the_check_says_so_when_nothing_got_worse(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(baseline_check, "BASELINE", tmp_path / "baseline.json")
    same = a_result(a_peak("bare-native", "grpc", 5000), a_peak("product", "grpc", 4000))
    baseline_check.save(same)
    assert next(baseline_check.report(baseline_check.compare(same))).startswith("No stage costs more")


def test_goals_are_judged_against_the_bare_pipeline_of_the_same_run() -> None:
    found = a_result(a_peak("bare-native", "rest", 4000), a_peak("product", "rest", 3200))
    verdict = next(iter(goals.judge(found)))
    assert (verdict.figure, verdict.reached) == ("rest end to end", True)
    assert "0.80" in verdict.measured


def test_a_run_that_others_disturbed_decides_nothing() -> None:
    disturbed = a_peak("bare-native", "rest", 4000) | {"cores_elsewhere": 0.8}
    verdict = next(iter(goals.judge(a_result(disturbed, a_peak("product", "rest", 3200)))))
    assert verdict.reached is None
    assert "disturbed" in verdict.measured


def test_what_was_not_measured_is_not_reached_and_not_missed() -> None:
    assert {verdict.reached for verdict in goals.judge(a_result())} == {None}


def test_a_result_is_read_as_it_was_written_and_another_schema_is_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(result, "RESULTS", tmp_path)
    written = a_result(a_peak("product", "rest", 3200))
    path = written.write()
    assert result.read(path).peak("product", "rest")["orders_per_second"] == 3200
    path.write_text(json.dumps({**asdict(written), "schema": "another"}))
    with pytest.raises(ValueError, match="another"):
        result.read(path)


def test_the_summary_has_a_row_a_run_and_names_what_could_not_be_measured() -> None:
    found = a_result(a_peak("product", "rest", 3200))
    found.problems.append("peers: no network")
    text = summary.markdown(found)
    assert "| product | rest | 3,200 |" in text
    assert "- peers: no network" in text


def test_what_tracing_costs_is_shown_though_the_platform_without_it_was_not_measured() -> None:
    sampled = a_peak("tracing 1 %", "grpc", 500)
    assert "| tracing 1 % | grpc | 2 |" in summary.markdown(a_result(sampled, sampled))


def a_stage(name: str, rate: float, cost: float, beside: str = "") -> dict[str, object]:
    return {
        "stage": name,
        "events": 20_000,
        "events_per_second": rate,
        "cpu_us_per_event": {"postgres": cost, "kafka": 0.0},
        "cores_elsewhere": 0.1,
        "beside": beside,
    }


def test_a_stage_of_a_peer_is_compared_with_the_same_stage_of_the_product_in_the_run() -> None:
    found = a_result()
    found.stages.extend([a_stage("publisher", 50_000, 20), a_stage("procrastinate", 400, 2000, "publisher")])
    text = summary.markdown(found)
    assert "| publisher | 20,000 | 50,000 | – | 20.0 | – | postgres 20.0 |" in text
    assert "| procrastinate | 20,000 | 400 | 125 | 2000.0 | 0.01 | postgres 2000.0 |" in text


def test_a_stage_of_a_peer_has_no_ratio_where_there_is_nothing_to_compare_it_with() -> None:
    found = a_result()
    found.stages.extend([a_stage("FastStream", 800, 900, "worker"), a_stage("publisher", 50_000, 20)])
    assert "| FastStream | 20,000 | 800 | – | 900.0 | – | postgres 900.0 |" in summary.markdown(found)


def test_a_stage_that_was_too_short_to_cost_anything_has_no_ratio_of_costs() -> None:
    found = a_result()
    found.stages.extend([a_stage("worker", 60_000, 20), a_stage("FastStream, batches", 30_000, 0, "worker")])
    assert "| FastStream, batches | 20,000 | 30,000 | 2 | 0.0 | – |  |" in summary.markdown(found)


def test_a_stage_of_an_older_result_has_a_row_too() -> None:
    older = a_stage("bare worker", 100_000, 10)
    del older["beside"]
    found = a_result()
    found.stages.extend([a_stage("worker", 50_000, 20), older])
    assert "| bare worker | 20,000 | 100,000 | – | 10.0 | – | postgres 10.0 |" in summary.markdown(found)


def test_every_program_of_the_peers_is_required_in_one_version(monkeypatch) -> None:
    lines = [line for line in environment.REQUIREMENTS.read_text().splitlines() if not line.startswith("#")]
    listed = json.dumps([{"name": re.split(r"[\[=]", line)[0], "version": line.split("==")[1]} for line in lines])
    monkeypatch.setattr(environment, "output_of", lambda *_: listed)
    assert {f"peers/{name}" for name in ("faststream", "procrastinate", "pydantic")} <= set(environment.versions())


def test_an_unknown_part_is_refused_with_those_that_there_are() -> None:
    command = [sys.executable, "-m", "bench", "peeks"]
    told = subprocess.run(command, check=False, capture_output=True, text=True, env=os.environ)
    assert told.returncode == 2
    assert "'peeks'" in told.stderr
    assert "peaks" in told.stderr


def test_a_result_becomes_pictures(tmp_path) -> None:
    plots = pytest.importorskip("bench.report.plots", reason="matplotlib is not installed")
    found = a_result(*(a_peak(name, "grpc", 1000) for name in ("product", "bare-native", "product-grpcio")))
    drawn = {path.name for path in plots.draw(found, tmp_path)}
    assert {"cost-by-stage.svg", "cost-by-stage.png", "throughput.svg", "backlog.png"} <= drawn
