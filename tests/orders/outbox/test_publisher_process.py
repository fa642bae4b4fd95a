"""The publisher process reconnects and continues after any error of the database."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from confluent_kafka import Message
from kafka_broker import environment
from outbox_world import UNSENT, event, insert, order_ids, sequences

from orders.settings import PublisherSettings
from stack.machine import ports
from stack.servers.postgres import Postgres

PUBLISHES = "from orders import publish; publish.main()"
FREEZES_IN_ITS_FIRST_CLAIM = """
import os, signal
from orders import publish
from orders.outbox.sender import Sender
from runtime import postgres
postgres.IDLE_TIMEOUT_MS = 200
wait = Sender.wait
def freeze(sender, events):
    Sender.wait = wait
    os.kill(os.getpid(), signal.SIGSTOP)
    return wait(sender, events)
Sender.wait = freeze
publish.main()
"""
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ordermesh-publisher'"
POLLS = 600


@contextmanager
def publishing_process(settings: PublisherSettings, program: str) -> "Iterator[subprocess.Popen[str]]":
    """Run a publisher as a process, and end it by SIGTERM."""
    env = os.environ | {
        "ORDERMESH_ORDERS_DSN": settings.orders_dsn.get_secret_value(),
        **environment(settings),
        "ORDERMESH_METRICS_ADDRESS": f"127.0.0.1:{ports.allocate(1)[0]}",
    }
    process = subprocess.Popen([sys.executable, "-c", program], env=env, stdout=subprocess.PIPE, text=True)
    try:
        yield process
        process.terminate()
        process.communicate(timeout=30)
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()


def await_true(process: "subprocess.Popen[str]", condition: Callable[[], bool]) -> None:
    """Wait until the condition holds; the process must not end before."""
    for _ in range(POLLS):
        if condition():
            return
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.05)
    raise AssertionError("not in time")


def stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_a_publisher_frozen_beyond_the_transaction_timeout_continues(
    settings: PublisherSettings, postgres: Postgres, writer: psycopg.Connection, log: Callable[[], list[Message]]
) -> None:
    (order_id,) = order_ids(1)
    insert(writer, event(order_id, 1), event(order_id, 2))
    with publishing_process(settings, FREEZES_IN_ITS_FIRST_CLAIM) as process:
        with psycopg.connect(postgres.admin_dsn, autocommit=True) as admin:
            await_true(process, lambda: stopped(process.pid) and admin.execute(SESSIONS).fetchone() == (0,))
        process.send_signal(signal.SIGCONT)
        await_true(process, lambda: writer.execute(UNSENT).fetchone() == (0,))
    assert list(dict.fromkeys(sequences(log(), order_id))) == [1, 2]


def test_a_publisher_continues_after_its_database_was_read_only(
    settings: PublisherSettings, postgres: Postgres, writer: psycopg.Connection, log: Callable[[], list[Message]]
) -> None:
    (order_id,) = order_ids(1)
    insert(writer, event(order_id, 1))
    with psycopg.connect(postgres.admin_dsn, autocommit=True) as admin:
        admin.execute("ALTER ROLE orders_publisher SET default_transaction_read_only = on")
        try:
            with publishing_process(settings, PUBLISHES) as process:
                assert process.stdout is not None
                began = next(line for line in process.stdout if "outage began" in line)
                assert "read-only" in began
                admin.execute("ALTER ROLE orders_publisher RESET default_transaction_read_only")
                await_true(process, lambda: writer.execute(UNSENT).fetchone() == (0,))
        finally:
            admin.execute("ALTER ROLE orders_publisher RESET default_transaction_read_only")
    assert sequences(log(), order_id) == [1]
