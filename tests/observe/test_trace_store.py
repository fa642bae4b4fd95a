"""A real collector decides by the configuration that ships, and a real store has what it keeps."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from front_proxy import ITEM, Platform
from guide import ROOT, commands
from otlp_receiver import ReceivedSpan
from seed import seeded_stack
from trace_chain import CHAIN, WAIT, chain
from waiting import await_true

from stack.downloads.jar_sets import ZIPKIN_JARS
from stack.machine import ports
from stack.observe.zipkin import JVM_FLAGS
from stack.servers.java import java

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]
COLLECTOR = ROOT / "deploy" / "collector"
# A slow trace is one with a wait that no busy machine has by itself.
SLOW_SECONDS = 6.0
DECISION_SECONDS = 20
# Of a server that takes five on a quiet machine.
START_SECONDS = 200.0


def otelcol() -> str:
    """Return the collector that scripts/install-tools builds, on the PATH or where Go installs programs."""
    places = [os.environ["PATH"], str(Path.home() / "go" / "bin"), os.environ.get("GOBIN", "")]
    found = shutil.which("otelcol", path=os.pathsep.join(places))
    assert found, "otelcol is missing: scripts/install-tools otelcol"
    return found


@contextlib.contextmanager
def program(argv: Sequence[str], env: Mapping[str, str], log: Path) -> Iterator[None]:
    """Run a program, whose output is shown when the body fails."""
    with log.open("w") as output:
        process = subprocess.Popen(argv, env={**os.environ, **env}, stdout=output, stderr=output)
    try:
        yield
    except BaseException:
        print(f"--- {log.name}\n{log.read_text()[-4000:]}", file=sys.stderr)
        raise
    finally:
        process.terminate()
        process.wait(30)


@dataclass(frozen=True)
class Store:
    """A Zipkin server."""

    address: str

    def get(self, path: str) -> Any:
        """Return the answer of its API, None where it has nothing."""
        try:
            with urllib.request.urlopen(f"{self.address}{path}", timeout=10) as reply:
                return json.load(reply)
        except OSError:
            return None

    def trace(self, trace_id: str) -> list[ReceivedSpan]:
        """Return the spans of a trace."""
        return [span_of(one) for one in self.get(f"/api/v2/trace/{trace_id}") or []]


def span_of(found: dict[str, Any]) -> ReceivedSpan:
    """Return a span of Zipkin, whose times are in microseconds."""
    start_ns = found["timestamp"] * 1000
    tags = found.get("tags", {})
    return ReceivedSpan(
        found["localEndpoint"]["serviceName"],
        found["name"],
        found.get("kind", "INTERNAL"),
        found["traceId"],
        found["id"],
        found.get("parentId", ""),
        start_ns,
        start_ns + found.get("duration", 0) * 1000,
        tags,
        [],
        "error" in tags,
        {},
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    (port,) = ports.allocate(1)
    jar = next(ZIPKIN_JARS.ensure().glob("zipkin-server-*.jar"))
    argv = [java(), *JVM_FLAGS, "-Darmeria.ports[0].ip=127.0.0.1", f"-Darmeria.ports[0].port={port}"]
    argv += ["-Darmeria.ports[0].protocols[0]=http", "-jar", str(jar)]
    found = Store(f"http://127.0.0.1:{port}")
    with program(argv, {}, tmp_path_factory.mktemp("zipkin") / "log"):
        await_true(lambda: found.get("/health"), "Zipkin answers", START_SECONDS)
        yield found


@pytest.fixture(scope="module")
def platform(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform that sends its spans to a collector before the store, which keeps errors and slow traces only."""
    folder = tmp_path_factory.mktemp("collector")
    env = {
        "OTLP_LISTEN": f"127.0.0.1:{ports.allocate(1)[0]}",
        "ZIPKIN_URL": f"{store.address}/api/v2/spans",
        "SLOW_MS": str(int(SLOW_SECONDS * 1000)),
        "KEPT_PERCENT": "0",
        "DECISION_WAIT": f"{DECISION_SECONDS}s",
    }
    configs = [f"--config={COLLECTOR / name}" for name in ("collector.yaml", "zipkin.yaml")]
    url = f"{store.address}/zipkin/traces/{{trace_id}}"
    with (
        program([otelcol(), *configs], env, folder / "log"),
        seeded_stack(otlp_endpoint=f"http://{env['OTLP_LISTEN']}", env={"ORDERMESH_TRACE_URL": url}) as stack,
    ):
        yield Platform(stack)


def place(platform: Platform) -> tuple[str, str, str]:
    """Place a sampled order; return its id, and the ids of its trace and of the client's span."""
    trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
    header = f"traceparent: 00-{trace_id}-{span_id}-01"
    answer = platform.post("/orders", {"customerId": "cust-trace", "items": [ITEM]}, "-H", header)
    assert answer.status == 200
    return answer.json["orderId"], trace_id, span_id


def test_the_collector_accepts_the_configurations_that_ship() -> None:
    env = {**os.environ, "PATH": os.pathsep.join([os.environ["PATH"], str(Path(otelcol()).parent)])}
    for script in commands("how-to/traces.md", "collector"):
        subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=ROOT, env=env, check=True, timeout=60)


def test_a_slow_order_is_one_trace_in_the_store_and_a_usual_one_is_dropped(platform: Platform, store: Store) -> None:
    _, usual, _ = place(platform)
    admin_dsn = platform.stack.context.admin_dsn
    with psycopg.connect(admin_dsn, dbname="orders") as holding:
        # No publisher can claim a shard meanwhile.
        holding.execute("SELECT 1 FROM outbox_shard FOR UPDATE")
        order_id, slow, client_span_id = place(platform)
        holding.execute("SELECT pg_sleep(%s)", (SLOW_SECONDS + 1,))
    names = {name.lower() for _, name, _ in CHAIN}
    await_true(
        lambda: names <= {one.name for one in store.trace(slow)},
        lambda: f"the store has the trace; it has {[one.name for one in store.trace(slow)]}",
    )
    await_true(lambda: len(store.trace(slow)) == len(CHAIN) + 1, "the span of Envoy is there")
    found = chain(store.trace(slow), client_span_id)
    (wait,) = (one for one in found if one.name == WAIT)
    assert wait.end_ns - wait.start_ns >= SLOW_SECONDS * 1e9
    assert wait.attributes["ordermesh.order.id"] == order_id
    # The usual one was decided before.
    assert store.trace(usual) == []
    shown = platform.curl(f"/v1/orders/{order_id}:timeline").json
    assert shown["traceUrl"] == f"{store.address}/zipkin/traces/{slow}"
