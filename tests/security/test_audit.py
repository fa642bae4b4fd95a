"""Operators leave a trace that a client cannot forge: through the front proxy, by commands, in `ordermesh audit`."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import forked_programs
import psycopg
from front_proxy import Platform

FORGED = [
    "X-Forwarded-For: 203.0.113.9",
    "X-Envoy-External-Address: 203.0.113.9",
    "X-Ordermesh-Client: operator:somebody",
]


def audit(platform: Platform, *options: str) -> list[dict[str, Any]]:
    done = run(platform, "audit", "--json", "--since", "1h", *options)
    assert done.returncode == 0, done
    return [json.loads(line) for line in done.stdout.splitlines()]


def run(platform: Platform, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "ORDERMESH_HOME": str(platform.stack.context.state.home), "COLUMNS": "400"}
    return forked_programs.run("cli", *words, env=env)


def test_the_address_is_the_one_that_the_front_proxy_saw(platform: Platform) -> None:
    order_id = platform.order("cust-audit")["orderId"]
    headers = [word for header in FORGED for word in ("-H", header)]
    answer = platform.post(f"/v1/orders/{order_id}:completePayment", {}, *headers, "-H", "x-request-id: forged\tid")
    assert answer.status == 200, answer
    (entry,) = (each for each in audit(platform, "--action", "CompletePayment") if each["target"] == order_id)
    assert entry["client_address"] == "127.0.0.1"
    assert (entry["role"], entry["subject"]) != ("operator", "somebody")
    assert entry["before"] == {"status": "CREATED", "sequence": 1}
    assert entry["after"] == {"status": "PAID", "sequence": 2}


def test_text_of_a_client_is_shown_escaped(platform: Platform) -> None:
    name = "Lamp \u202e\u009b31m"
    product = platform.post("/v1/products", {"productId": "audit-lamp", "name": name, "price": 1})
    shown = run(platform, "audit", "--since", "1h", "--action", "CreateProduct")
    if product.status == 200:
        assert "audit-lamp" in shown.stdout
    assert not set(shown.stdout) & {"\u202e", "\u009b", "\x1b"}


def test_a_discarded_dead_letter_leaves_who_called_and_from_where(platform: Platform) -> None:
    with psycopg.connect(platform.stack.context.dsn("orders_owner")) as connection:
        connection.execute(
            "INSERT INTO event_outbox (shard, status, event_type, occur_time, event_id, key, traceparent, payload,"
            " cause) VALUES (0, 'DEAD', 1, now(), gen_random_uuid(), 'audit', '', '', 'refused')"
        )
        connection.execute("UPDATE outbox_shard SET has_dead = true WHERE shard = 0")
    done = run(platform, "dlq", "discard", "--key", "audit", "--yes")
    assert done.returncode == 0, done
    (entry,) = (
        each for each in audit(platform, "--action", "DiscardDeadLetters") if each["before"].get("key") == "audit"
    )
    assert entry["client_address"] == "127.0.0.1"
    assert entry["subject"]
    assert (entry["before"]["status"], entry["after"]["status"]) == ("DEAD", "DISCARDED")


def test_a_time_that_is_none_is_refused_by_name(platform: Platform) -> None:
    done = run(platform, "audit", "--since", "yesterday")
    assert done.returncode == 78
    assert "--since must be like 15m" in done.stderr
