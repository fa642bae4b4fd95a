"""Starts PostgreSQL and Kafka as whoever runs it; used by the tests to be somebody who is not root."""

import os
import shutil
from pathlib import Path

import psycopg

from stack import ports
from stack.credentials import load_or_create
from stack.kafka import Kafka
from stack.logfile import LogFile
from stack.paths import StateFolder, default_home
from stack.postgres import Postgres

ROOTS_CACHE = Path("/var/cache/ordermesh")


def main() -> None:
    state = StateFolder(default_home())
    one, two, three = ports.allocate(3)
    log, credentials = LogFile(state.logs / "postgres.log"), load_or_create(state.credentials)
    postgres = Postgres(state.postgres, state.run_dir(), one, log, credentials, ROOTS_CACHE)
    kafka = Kafka(state.kafka, two, three, LogFile(state.logs / "kafka.log"), ROOTS_CACHE)
    postgres.start()
    kafka.start()
    postgres.wait_ready(30)
    print(Path(f"/proc/{postgres.pid}").stat().st_uid)
    with psycopg.connect(postgres.admin_dsn) as connection:
        connection.execute("CREATE TABLE kept (answer int)")
        print("stored")
    kafka.wait_ready(30)
    print("answered")
    kafka.stop()
    postgres.stop()
    shutil.rmtree(state.run_dir())
    assert os.geteuid() != 0


if __name__ == "__main__":
    main()
