"""The commands of the guides, run as they are written."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import grpc
import pytest
from guide import (
    ALARM,
    CLUSTER,
    COLLECTOR,
    COPY,
    DOCS,
    MARKED,
    OWN_SERVERS,
    PAST,
    ROOT,
    STACK,
    Shell,
    commands,
    environment,
)
from ordermesh.orders.v1 import orders_pb2, orders_pb2_grpc

from stack.machine.state_folder import StateFolder, temporary_home
from stack.supervision.status import read_status

pytestmark = pytest.mark.timeout(600)
ITEM = orders_pb2.OrderItem(product_id="p1", quantity=2, price=10)
ON_A_STACK = (
    "index.md",
    "how-to/authentication.md",
    "how-to/follow-an-order.md",
    "how-to/handle-dead-letters.md",
    "how-to/repair.md",
    "how-to/traces.md",
    "how-to/tune.md",
    "how-to/upgrade-and-roll-back.md",
)
IN_A_COPY = ("how-to/add-a-field.md", "how-to/add-an-event-type.md", "how-to/add-a-service.md")


def at_its_ports(text: str, env: dict[str, str]) -> str:
    """Return a script with the ports of the stack that runs in place of the usual ones."""
    known = read_status(StateFolder(Path(env["ORDERMESH_HOME"])).status)
    offset = 0 if known is None else known.port_offset
    return re.sub(r"127\.0\.0\.1:(\d{4})", lambda found: f"127.0.0.1:{int(found[1]) + offset}", text)


def follow(page: str, shell: Shell) -> list[str]:
    return [shell.run(at_its_ports(text, shell.env)) for text in commands(page)]


@pytest.mark.parametrize("page", ON_A_STACK)
def test_the_commands_of_a_guide_work_on_a_stack(stack: Shell, page: str) -> None:
    assert follow(page, stack)


def test_a_stack_is_restored_from_its_backup_and_wiped(stack: Shell) -> None:
    follow("index.md", stack)
    count = "ordermesh psql orders -At -c 'SELECT count(*) FROM orders'"
    orders = stack.run(count)
    with temporary_home() as backups:
        stack.env |= {"BACKUP": str(backups), "ORDERMESH_BACKUP_DIR": str(backups)}
        follow("how-to/back-up-and-restore.md", stack)
        assert stack.run(count) == orders != "0\n"
        del stack.env["ORDERMESH_BACKUP_DIR"]
    follow("how-to/wipe.md", stack)
    assert stack.run(count) == "0\n"


def test_a_stack_that_was_restored_to_a_time_in_the_past_is_repaired(stack: Shell) -> None:
    """What was sold since is named, exported from Kafka and removed from the metrics, so that both ends agree."""
    load = "ordermesh load --rate 20 --duration 1s"
    count = "ordermesh psql orders -At -c 'SELECT count(*) FROM orders'"
    with temporary_home() as backups:
        stack.env |= {"BACKUP": str(backups), "ORDERMESH_BACKUP_DIR": str(backups)}
        stack.run(f"ordermesh down; ordermesh up --detach; ordermesh backup create; {load}")
        kept = int(stack.run(count))
        stack.env["TIME"] = stack.run("date -u +%FT%T.%6NZ").strip()
        stack.run(load)
        lost = int(stack.run(count)) - kept
        assert lost > 0
        (script,) = commands("how-to/back-up-and-restore.md", PAST)
        assert f"{lost} events counted that no order has" in stack.run(script)
        assert int(stack.run(count)) == kept
        exported = map(json.loads, (backups / "lost-orders.jsonl").read_text().splitlines())
        assert len({each["key"] for each in exported}) == lost
        del stack.env["ORDERMESH_BACKUP_DIR"], stack.env["TIME"]


def order(servers: Shell) -> None:
    with grpc.insecure_channel(f"unix:{servers.env['RUN']}/orders-0.sock") as channel:
        stub = orders_pb2_grpc.OrderServiceStub(channel)
        request = orders_pb2.CreateOrderRequest(customer_id="cust-docs", items=[ITEM])
        stub.CreateOrder(request, timeout=10, wait_for_ready=True)


def test_own_servers_with_the_documented_rights_are_used_restored_and_wiped(servers: Shell) -> None:
    verify = f"ordermesh verify --target unix:{servers.env['RUN']}/gateway.sock --wait 60"
    for text in commands("how-to/own-servers.md", OWN_SERVERS):
        servers.run(text)
    order(servers)
    assert "1 order" in servers.run(verify)
    dump, restore, check = commands("how-to/back-up-and-restore.md", OWN_SERVERS)
    servers.run(dump)
    order(servers)
    assert "2 orders" in servers.run(verify)
    servers.run(restore)
    assert "2 orders" in servers.run(verify)
    servers.run(check)
    servers.close()
    for text in commands("how-to/wipe.md", OWN_SERVERS):
        servers.run(text)


@pytest.mark.parametrize("page", IN_A_COPY)
def test_the_commands_of_a_guide_work_in_a_copy_of_the_tree(page: str, tmp_path: Path) -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
    paths = [str(tmp_path / name) for name in ("", "gen", "envoy")]
    shell = Shell(tmp_path, environment(PYTHONPATH=":".join(paths)))
    for text in commands(page, COPY):
        shell.run(text)


def test_every_marked_command_is_run() -> None:
    for path in DOCS.rglob("*.md"):
        page = str(path.relative_to(DOCS))
        places = {place for place, _, _ in MARKED.findall(path.read_text())}
        assert places <= {STACK, OWN_SERVERS, COPY, ALARM, PAST, CLUSTER, COLLECTOR}
        assert ALARM not in places or page.startswith("runbook/")
        assert PAST not in places or page == "how-to/back-up-and-restore.md"
        assert CLUSTER not in places or page == "how-to/kubernetes-day-two.md"
        assert COLLECTOR not in places or page == "how-to/traces.md"
        assert STACK not in places or page in (*ON_A_STACK, "how-to/back-up-and-restore.md", "how-to/wipe.md")
        assert COPY not in places or page in IN_A_COPY
        assert OWN_SERVERS not in places or page in (
            "how-to/own-servers.md",
            "how-to/back-up-and-restore.md",
            "how-to/wipe.md",
        )
