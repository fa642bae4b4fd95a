"""What a lost PostgreSQL costs, with its log archived: `python -m bench.recovery [ORDERS_PER_SECOND]`.

Orders are created while PostgreSQL and its folder are destroyed; then they are restored from the base backup and the
archive. Recovery point: how long before the end the first acknowledged order was that is not there. Recovery time: from
the beginning of the restore until the platform takes an order again.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import grpc
from ordermesh.orders.v1 import orders_pb2_grpc

from bench.loads.bodies import order
from bench.report.result import begin
from runtime.exit_codes import ExitCode
from runtime.postgres.connections import connect
from stack.backup.backup_folder import BackupFolder
from stack.backup.base_backup import create
from stack.backup.recovery import restore
from stack.machine.state_folder import StateFolder, temporary_home
from stack.running_stack import RunningStack, running_stack
from stack.supervision.stack_context import postgres

RATE, SECONDS = 200, 20.0
SCHEMA = "ordermesh.recovery/1"


@dataclass
class Customer:
    """Creates orders at a rate until the first that is not acknowledged; knows when each was."""

    running: RunningStack
    rate: int
    acknowledged: dict[str, float] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def buy(self) -> None:
        """Create orders until PostgreSQL is gone."""
        with self.running.channel() as channel:
            stub = orders_pb2_grpc.OrderServiceStub(channel)
            while not self._stop.wait(1 / self.rate):
                try:
                    answer = stub.CreateOrder(order(), timeout=5)
                except grpc.RpcError:
                    return
                self.acknowledged[answer.order_id] = time.monotonic()


def destroyed(running: RunningStack, customer: Customer) -> float:
    """Kill PostgreSQL while orders arrive, delete its folder, and return when."""
    thread = threading.Thread(target=customer.buy)
    thread.start()
    time.sleep(SECONDS)
    running.kill("postgres", signal.SIGKILL)
    ended = time.monotonic()
    shutil.rmtree(running.stack.state.postgres / "data", ignore_errors=True)
    thread.join()
    return ended


def measure(rate: int) -> dict[str, float]:
    """Return the figures of one run."""
    with temporary_home() as home, temporary_home() as backups:
        with running_stack(home, backup_dir=backups) as running:
            state, server = running.stack.state, postgres(running.context)
            create(server, state, BackupFolder(backups), lambda done, total: None)
            customer = Customer(running, rate)
            ended = destroyed(running, customer)
        shutil.rmtree(state.postgres / "data", ignore_errors=True)
        began = time.monotonic()
        (backup,) = BackupFolder(backups).backups()
        restore(backup, StateFolder(home), None, lambda last: None)
        restored = time.monotonic()
        with running_stack(home, backup_dir=backups) as running:
            with running.channel() as channel:
                orders_pb2_grpc.OrderServiceStub(channel).CreateOrder(order(), timeout=30, wait_for_ready=True)
            serving = time.monotonic()
            there = stored(running)
    lost = [when for order_id, when in customer.acknowledged.items() if order_id not in there]
    return {
        "orders_acknowledged": len(customer.acknowledged),
        "orders_lost": len(lost),
        "recovery_point_ms": round(1000 * (ended - min(lost, default=ended)), 1),
        "restore_seconds": round(restored - began, 1),
        "recovery_time_seconds": round(serving - began, 1),
    }


def stored(running: RunningStack) -> set[str]:
    """Return the ids of the stored orders."""
    with connect(running.context.dsn("orders_owner"), "bench") as connection:
        return {str(order_id) for (order_id,) in connection.execute("SELECT order_id FROM orders")}


def main(argv: Sequence[str]) -> int:
    """Measure once, and write the result file."""
    rate = int(argv[0]) if argv else RATE
    result = begin("recovery")
    found = {"orders_per_second": rate, **measure(rate)}
    result.path.write_text(json.dumps({**result.heading(SCHEMA), **found}, indent=1) + "\n")
    for name, figure in found.items():
        print(f"{name.replace('_', ' '):24}{figure:>12,}")
    print(result.path)
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
