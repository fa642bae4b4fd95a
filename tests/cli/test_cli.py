"""The commands against a stack that runs detached."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

import pytest
from command import ITEM, Place, await_true
from confluent_kafka import Producer
from kafka_broker import config
from typer.testing import CliRunner

from cli.app import app
from cli.local.lifecycle import examples
from runtime.exit_codes import ExitCode
from runtime.kafka.access import PUBLISHER
from stack.processes.proc import ProcessId
from stack.supervision.status import Servers, StackStatus, write_status

BAD = b"\xff\xff no event"
COMPONENTS = ("postgres", "kafka", "orders", "publisher", "processor", "analytics", "gateway", "envoy")


def test_status_shows_every_component_with_state_and_address(running: Place) -> None:
    done = running.run("status")
    assert done.returncode == 0, done.stderr
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    assert all("ready" in lines[name] for name in COMPONENTS)
    assert str(running.ports["ORDERMESH_FRONT_PORT"]) in lines["envoy"]
    assert str(running.status.components["orders"].pid) in lines["orders"]


def test_the_example_commands_that_up_prints_work(running: Place) -> None:
    lines = examples(running.status.addresses["rest"], running.status.addresses["grpc"])
    curls = [line for line in lines if line.startswith("curl")]
    assert len(curls) >= 3
    assert "ordermesh psql orders" in lines
    for line in curls:
        done = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=30)
        assert "code" not in json.loads(done.stdout), line


def test_logs_shows_the_last_lines_of_one_component_or_lists_those_available(running: Place) -> None:
    done = running.run("logs", "orders", "-n", "500")
    assert done.returncode == 0
    assert "orders started" in done.stdout
    wrong = running.run("logs", "ordesr")
    assert wrong.returncode == 2
    assert "orders" in wrong.stderr
    assert "publisher" in wrong.stderr


def test_logs_of_all_components_are_merged_by_time_as_text_and_as_json(running: Place) -> None:
    running.order()
    lines = [json.loads(line) for line in running.run("logs", "-n", "5000", "--json").stdout.splitlines()]
    assert {"orders", "publisher", "processor", "postgres", "kafka", "supervisor"} <= {
        line["event.dataset"] for line in lines
    }
    times = [line["@timestamp"][:23] for line in lines]
    assert times == sorted(times)
    assert any(line["message"] == "publisher started" for line in lines)
    text = running.run("logs", "-n", "5000").stdout.splitlines()
    assert any("publisher started" in line and line[:2] == "20" for line in text)
    assert running.run("logs", "access", "-n", "1").stdout.split()[2] == "access"


def test_log_level_changes_the_levels_of_a_running_stack(running: Place) -> None:
    assert running.run("log-level").stdout == "info\n"
    assert running.run("log-level", "info,orders.outbox=debug").stdout == "info,orders.outbox=debug\n"

    def said() -> bool:
        # The services follow a moment later.
        running.order()
        lines = [
            json.loads(line) for line in running.run("logs", "publisher", "-n", "500", "--json").stdout.splitlines()
        ]
        return any((line["log.level"], line["message"]) == ("debug", "events published") for line in lines)

    try:
        await_true(said, "the publisher logs what it published")
    finally:
        running.run("log-level", "info")
    wrong = running.run("log-level", "info,orders.outbux=debug")
    assert wrong.returncode == 2
    assert "orders.outbux" in wrong.stderr
    assert running.run("log-level").stdout == "info\n"


def test_psql_reads_both_databases_and_writes_to_neither(running: Place) -> None:
    running.order()
    for database, table in (("orders", "orders"), ("analytics", "sales_metrics")):
        read = running.run("psql", database, "-XAtc", f"SELECT current_user, count(*) >= 0 FROM {table}")
        assert (read.returncode, read.stdout) == (0, "viewer|t\n"), read.stderr
        wrote = running.run("psql", database, "-Xc", f"DELETE FROM {table}")
        assert wrote.returncode == 1
        assert "DELETE" in wrote.stderr or "permission denied" in wrote.stderr


def test_psql_shows_no_password_of_a_role(running: Place) -> None:
    for database in ("orders", "analytics"):
        read = running.run("psql", database, "-Xc", "SELECT rolpassword FROM pg_authid")
        assert read.returncode == 1
        assert "permission denied" in read.stderr


def test_psql_reads_every_table_and_those_that_are_made_later(running: Place) -> None:
    tables = "SELECT string_agg(format('%I.%I', schemaname, tablename), ' ') FROM pg_tables WHERE schemaname = 'public'"
    for database in ("orders", "analytics"):
        names = running.run("psql", database, "-XAtc", tables).stdout.split()
        assert len(names) > 5
        unread = " ".join(f"SELECT FROM {name} LIMIT 0;" for name in names)
        read = running.run("psql", database, "-XAtc", unread)
        assert (read.returncode, read.stderr) == (0, "")


def test_psql_accepts_options_without_a_database(running: Place) -> None:
    read = running.run("psql", "-XAtc", "SELECT current_database(), current_user")
    assert (read.returncode, read.stdout) == (0, "orders|viewer\n"), read.stderr
    wrong = running.run("psql", "analytcs", "-c", "SELECT 1")
    assert wrong.returncode == 2
    assert "analytics" in wrong.stderr


def test_open_prints_the_dashboards_address(running: Place) -> None:
    done = running.run("open", env={"BROWSER": "true"})
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, running.status.addresses["rest"] + "/")
    docs = running.run("open", "docs", env={"BROWSER": "true"})
    assert docs.stdout.splitlines()[0] == running.status.addresses["rest"] + "/docs"


def test_reset_is_refused_while_the_stack_runs(running: Place) -> None:
    done = running.run("reset", "--yes")
    assert done.returncode == 5
    assert "ordermesh down" in done.stderr
    assert running.order()


def test_reset_deletes_the_files_of_a_stack_and_nothing_else(place: Place) -> None:
    (place.home / "postgres").mkdir()
    (place.home / "logs").mkdir()
    (place.home / "notes.txt").write_text("mine")
    assert place.run("reset").returncode == 1
    assert (place.home / "postgres").exists()
    done = place.run("reset", "--yes")
    assert done.returncode == 0, done.stderr
    assert "postgres, logs" in done.stdout
    assert sorted(path.name for path in place.home.iterdir()) == ["lock", "notes.txt"]


def test_reset_names_the_data_that_external_servers_keep(place: Place) -> None:
    servers = Servers("host=db1 port=5433 sslmode=require", "broker:9092", {"sasl.password": "s3cret"})
    ended = ProcessId(1, 0)
    write_status(place.home / "stack.json", StackStatus(ended, "", {}, {}, servers))
    stays = (
        "Kept on external servers: the databases orders and analytics in PostgreSQL at host=db1 port=5433; "
        "the topics in Kafka at broker:9092."
    )
    assert stays in place.run("reset").stdout
    done = place.run("reset", "--yes")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"deleted in {place.home}: stack.json. {stays}\n"


def test_verify_agrees_and_shows_the_totals(running: Place) -> None:
    running.order()
    done = running.run("verify")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "AGREES" in done.stdout
    assert "published" in done.stdout
    assert "counted" in done.stdout


def test_verify_recomputes_everything_when_that_is_asked_for(running: Place) -> None:
    running.order()
    done = running.run("verify", "--full")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"[1-9]\d* rows compared with the ledgers of [1-9]\d* days", done.stdout)


def test_status_says_up_to_when_orders_and_metrics_agree(running: Place) -> None:
    await_true(lambda: "reconciliation: exact up to" in running.run("status").stdout, "the closed minutes agree")


def test_topics_shows_each_topic_with_its_partitions(running: Place) -> None:
    running.order()
    done = running.run("topics")
    assert done.returncode == 0, done.stderr
    lines = {line.split()[0]: line.split() for line in done.stdout.splitlines()}
    assert {"order-events", "stock", "order-events.dlq", "stock.dlq"} <= set(lines)
    assert lines["order-events"][1] == "12"


def test_outbox_is_empty_and_rejects_an_unknown_status(running: Place) -> None:
    done = running.run("outbox", "--status", "FAILED")
    assert (done.returncode, done.stdout.strip()) == (0, "every event is published, or a dead letter"), done.stderr
    wrong = running.run("outbox", "--status", "LOST")
    assert wrong.returncode == 78
    assert "--status must be one of NEW" in wrong.stderr


def test_dead_letters_an_order_and_the_sales_are_shown_and_what_is_none_is_refused(running: Place) -> None:
    assert "no dead letters" in running.run("dlq", "summary").stdout
    assert "no open dead letter matches" in running.run("dlq", "redrive", "--reason", "UNKNOWN_TYPE").stdout
    assert "NOT_FOUND" in running.run("dlq", "show", "outbox.0").stderr
    assert running.run("dlq", "discard").returncode == 2
    order_id = running.order()
    assert order_id in running.run("order", order_id).stdout
    assert "events in Kafka are not included" in running.run("sales").stdout


def test_load_sends_to_the_local_stack_and_verifies_the_counts(running: Place) -> None:
    done = running.run("load", "--rate", "50", "--duration", "1s", "--protocol", "grpc")
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = running.run("load", "--rate", "fast")
    assert wrong.returncode == 2
    assert "--rate" in wrong.stderr


def test_load_verifies_its_own_orders_while_another_client_creates_some(running: Place) -> None:
    done = threading.Event()

    def make_orders() -> int:
        made = 0
        while not done.is_set():
            made += bool(running.order())
        return made

    with ThreadPoolExecutor(1) as pool:
        others = pool.submit(make_orders)
        ran = running.run("load", "--rate", "50", "--duration", "2s")
        done.set()
        assert others.result(60) > 0
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "another client created " in ran.stdout


def test_load_without_a_running_stack_fails_and_sends_nothing(place: Place) -> None:
    done = place.run("load", "--duration", "1s")
    assert done.returncode == 5, done.stdout
    assert "no stack is running with the state folder" in done.stderr
    assert "--target" in done.stderr


def test_doctor_passes_while_its_own_stack_runs(running: Place) -> None:
    done = running.run("doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all checks passed" in done.stdout
    stack = next(line for line in done.stdout.splitlines() if " stack " in line)
    assert running.status.addresses["rest"] in stack
    # What only a start needs is not asked of a machine on which the stack runs.
    assert not [line for line in done.stdout.splitlines() if line.split()[1] in ("ports", "memory", "disk")]


def test_a_second_up_with_the_same_state_folder_is_rejected(running: Place) -> None:
    done = running.run("up")
    assert done.returncode == 5
    assert "is already running" in done.stderr
    assert "ordermesh down" in done.stderr
    assert running.order()


def test_other_servers_on_the_default_ports_are_named_with_the_settings_of_the_ports(
    running: Place, place: Place
) -> None:
    names = ("ORDERMESH_FRONT_PORT", "ORDERMESH_KAFKA_PORT", "ORDERMESH_KAFKA_CONTROLLER_PORT")
    taken = {name: str(running.ports[name]) for name in names}
    done = place.run("up", env=taken)
    assert done.returncode == 5
    for name, port in taken.items():
        assert f"port {port} ({name}) is taken by process" in done.stderr
    assert "--port-offset" in done.stderr
    assert max(map(len, done.stderr.splitlines())) <= 120
    await_true(running.ready, "the platform that has the ports goes on")


def test_a_taken_port_is_named_with_its_setting_before_anything_starts(running: Place, place: Place) -> None:
    taken = running.ports["ORDERMESH_FRONT_PORT"]
    for words in (("up",), ("up", "--detach")):
        done = place.run(*words, env={"ORDERMESH_FRONT_PORT": str(taken)})
        assert done.returncode == 5
        assert f"port {taken} (ORDERMESH_FRONT_PORT)" in done.stderr
        assert done.stderr.count("ordermesh:") == 1
        assert "Traceback" not in done.stderr
    assert not (place.home / "postgres").exists()
    doctor = place.run("doctor", env={"ORDERMESH_FRONT_PORT": str(taken)})
    assert doctor.returncode == 1
    assert str(taken) in doctor.stdout


@pytest.mark.parametrize("words", [("status",), ("verify",), ("topics",), ("outbox",), ("dlq", "list")])
def test_a_command_that_needs_a_stack_reports_that_none_is_running(place: Place, words: tuple[str, ...]) -> None:
    done = place.run(*words)
    assert done.returncode == 5
    assert "no stack is running" in done.stderr
    assert "ordermesh up" in done.stderr


@pytest.mark.parametrize("home", ["", "/proc/ordermesh"])
def test_down_without_a_stack_is_no_error(place: Place, home: str) -> None:
    done = place.run("down", env={"ORDERMESH_HOME": home or str(place.home)})
    assert (done.returncode, done.stdout.strip()) == (0, "no stack is running"), done.stderr


def test_version_and_help_are_printed(place: Place) -> None:
    assert place.run("--version").stdout.strip() == f"ordermesh {version('ordermesh')}"
    told = place.run("--help").stdout
    for name in ("up", "down", "status", "logs", "demo", "load", "verify", "topics", "outbox", "dlq", "doctor"):
        assert f" {name} " in told, name


def test_an_order_of_items_is_what_the_examples_send(running: Place) -> None:
    assert running.ask(f"/orders/{running.order()}")["items"] == [ITEM]


def test_a_killed_component_is_restarted_and_status_counts_it(running: Place) -> None:
    pid = running.status.components["publisher"].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await_true(lambda: running.status.components["publisher"].restarts == 1 and running.ready(), lambda: "it is back")
    line = next(line for line in running.run("status").stdout.splitlines() if line.startswith("publisher"))
    assert line.split()[3] == "1"


@pytest.fixture(scope="module")
def letter(running: Place) -> str:
    """Return the id of a dead letter."""
    producer = Producer(config(running.kafka(PUBLISHER)))
    sent: list[str] = []
    producer.produce(
        "order-events",
        BAD,
        key=b"bad",
        headers={"origin": "elsewhere"},
        on_delivery=lambda _, message: sent.append(f"order-events.{message.partition()}.{message.offset()}"),
    )
    assert producer.flush(30) == 0
    await_true(lambda: sent[0] in running.run("dlq", "list").stdout, lambda: running.run("dlq", "list").stdout)
    return sent[0]


def test_a_dead_letter_is_listed_with_its_reason(running: Place, letter: str) -> None:
    done = running.run("dlq", "list")
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith(letter))
    assert "UNDECODABLE" in line


def test_a_dead_letter_is_shown_byte_for_byte(running: Place, letter: str) -> None:
    done = running.run("dlq", "show", letter)
    assert done.returncode == 0, done.stderr
    assert BAD.hex(" ") in done.stdout
    assert "key: b'bad'" in done.stdout
    assert "header origin: b'elsewhere'" in done.stdout


def test_a_redriven_dead_letter_comes_back_while_it_is_undecodable(running: Place, letter: str) -> None:
    # What was done is said beside what failed.
    done = running.run("dlq", "redrive", letter, "order-events.0.999999")
    assert done.returncode == ExitCode.DIFFERS
    assert "order-events.0.999999: there is no dead letter" in done.stderr
    assert f"{letter}: redriven" in done.stdout

    def back() -> list[str]:
        lines = running.run("dlq", "list").stdout.splitlines()
        return [line for line in lines if line.startswith("order-events.") and not line.startswith(f"{letter} ")]

    await_true(back, lambda: running.run("dlq", "list", "--state", "REDRIVEN").stdout)
    assert running.run("verify").returncode == 0


@pytest.mark.parametrize("wrong", ["nowhere", "order-events.0.999999", "order-events/0/1"])
def test_an_id_without_a_dead_letter_is_an_error(running: Place, wrong: str) -> None:
    done = running.run("dlq", "show", wrong)
    assert done.returncode == ExitCode.UNREACHABLE, done.stderr
    assert "must be the id of a dead letter, such as order-events.3.1042" in done.stderr
    assert "Traceback" not in done.stderr


def tailed(running: Place, *words: str) -> list[dict[str, Any]]:
    done = running.run("topics", "tail", *words)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_tail_shows_the_last_event_decoded_with_its_position_key_and_headers(running: Place) -> None:
    order_id = running.order()
    await_true(lambda: tailed(running, "--last", "1")[0]["key"] == order_id, lambda: "the event is in the topic")
    (line,) = tailed(running, "--last", "1")
    assert line["topic"] == "order-events"
    assert line["headers"]["event-type"] == "ORDER_CREATED"
    assert line["event"]["order_id"] == order_id
    assert line["event"]["order_created"]["items"][0]["product_id"] == ITEM["productId"]
    assert tailed(running, "--from", line["time"], "--limit", "1")[0]["time"] >= line["time"]
    assert not tailed(running, "--from", "2999-01-01")


def test_tail_shows_undecodable_bytes_with_the_reason(running: Place, letter: str) -> None:
    lines = tailed(running, "--topic", "order-events.dlq", "--from", "beginning")
    assert {line["bytes"] for line in lines} == {base64.b64encode(BAD).decode()}
    assert {line["undecodable"] for line in lines} == {"no type in a content-type header"}
    assert {line["event"] for line in lines} == {None}


@pytest.mark.parametrize("ends", ["by Ctrl-C", "as nobody reads on"])
def test_tail_follows_and_ends_silently(running: Place, ends: str) -> None:
    words = running.command("topics", "tail", "--follow", "--last", "0")
    with subprocess.Popen(words, env=running.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as tail:
        assert tail.stdout is not None
        assert tail.stderr is not None
        shown, stop = tail.stdout, threading.Event()

        def order_until_shown() -> None:
            while not stop.wait(0.2):
                running.order()

        with ThreadPoolExecutor(1) as pool:
            pool.submit(order_until_shown)
            assert json.loads(shown.readline())["headers"]["event-type"] == "ORDER_CREATED"
            stop.set()
        if ends == "by Ctrl-C":
            tail.send_signal(signal.SIGINT)
        else:
            shown.close()
        assert tail.wait(20) == 0
        assert tail.stderr.read() == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--from", "yesterday"), "--from must be beginning, end or a time"),
        (("--from", "end"), "add --follow"),
        (("--from", "end", "--last", "1"), "exclude each other"),
    ],
)
def test_tail_rejects_an_invalid_option_with_the_allowed_values(words: tuple[str, ...], said: str) -> None:
    done = CliRunner().invoke(app, ["topics", "tail", *words])
    assert done.exit_code == 2
    assert said in as_words(done.stderr)


def test_tail_lists_the_available_topics(running: Place) -> None:
    done = running.run("topics", "tail", "--topic", "orders")
    assert done.returncode == 2
    assert "there is no topic 'orders'; available: order-events," in as_words(done.stderr)


def as_words(boxed: str) -> str:
    return " ".join(boxed.replace("│", " ").split())
