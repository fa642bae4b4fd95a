"""A real Envoy with a configuration of ours, and curl to ask it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import grpc
from envoy_admin import from_admin
from front_proxy import Answer, curl
from frontdoor.check import envoy_binary
from frontdoor.policies.identity import Identity
from frontdoor.policies.tracing import Tracing
from frontdoor.render import render
from frontdoor.values import LOOPBACK, NOT_EXPORTED, EnvoyValues
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from waiting import await_true

from stack.machine import ports
from stack.machine.http_probe import http_answers

READY_SECONDS = 20


class Front:
    """An Envoy in front of a folder of sockets."""

    def __init__(
        self,
        folder: Path,
        *,
        processes: int = 2,
        active: int = 0,
        hosts: Sequence[str] = (),
        rate_limit_per_second: int = 20_000,
        identity: Identity = None,
        tracing: Tracing = NOT_EXPORTED,
        change: Callable[[str], str] = lambda text: text,
    ) -> None:
        self.port, self.stats_port = ports.allocate(2)
        self.admin = folder / f"admin-{self.port}.sock"
        self.access_log = folder / f"access-{self.port}.log"
        values = EnvoyValues.local(
            folder,
            front_port=self.port,
            admin_socket=self.admin,
            stats_port=self.stats_port,
            orders_sockets=[folder / f"orders-{index}.sock" for index in range(processes)],
            access_log=self.access_log,
            rate_limit_per_second=rate_limit_per_second,
            orders_active=active,
            hosts=hosts,
            identity=identity,
            tracing=tracing,
        )
        self.config = folder / f"envoy-{self.port}.yaml"
        self.config.write_text(change(render(values)))
        self.log = folder / f"envoy-{self.port}.log"
        with self.log.open("w") as output:
            self.process = subprocess.Popen(self.command(), stdout=output, stderr=output)
        await_true(self.ready, self.failure)

    def command(self) -> list[str]:
        """Return the command that runs Envoy."""
        flags = "--concurrency 1 -l warning --disable-hot-restart --file-flush-interval-msec 50 --drain-time-s 1"
        return [str(envoy_binary()), "-c", str(self.config), *flags.split()]

    def ready(self) -> bool:
        """Say whether Envoy serves."""
        return http_answers(self.admin, "/ready")

    def failure(self) -> str:
        """Return why it is not ready."""
        return self.log.read_text()[-2000:]

    @property
    def target(self) -> str:
        """The address for gRPC."""
        return f"{LOOPBACK}:{self.port}"

    def curl(self, path: str, *options: str, port: int | None = None) -> Answer:
        """Ask with curl."""
        return curl(f"http://{LOOPBACK}:{port or self.port}{path}", "--max-time", "15", *options)

    def post(self, path: str, body: str, *options: str) -> Answer:
        """Send JSON with curl."""
        return self.curl(path, "-H", "content-type: application/json", "-d", body, *options)

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: str | None = None) -> Answer:
        """Ask over HTTP/1.1 without curl, for tests that ask hundreds of times."""
        connection = HTTPConnection(LOOPBACK, self.port, timeout=15)
        connection.request(method, path, body, dict(headers))
        reply = connection.getresponse()
        answer = Answer(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())
        connection.close()
        return answer

    def statistic(self, name: str) -> int:
        """Return one of Envoy's counters or gauges."""
        return int(from_admin(self.admin, f"/stats?filter=^{name}$").rpartition(": ")[2] or 0)

    def access_line(self, request_id: str) -> dict[str, Any]:
        """Return the access log's line of a request, when it is there."""

        def lines() -> list[dict[str, Any]]:
            found = (json.loads(line) for line in self.access_log.read_text().splitlines())
            return [line for line in found if line.get("http.request.id") == request_id]

        await_true(lambda: bool(lines()), lambda: f"no line of {request_id}")
        return lines()[0]

    def stop(self) -> None:
        """Stop Envoy."""
        self.process.terminate()
        self.process.wait(10)


def reason_of(error: grpc.RpcError) -> str:
    """Return the reason in the details of a gRPC error."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]  # an RpcError of a call is that call
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.domain == "ordermesh"
    return info.reason
