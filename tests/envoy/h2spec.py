"""Runs h2spec against the front proxy and against a plain Envoy: the front fails no case that plain Envoy passes.

`make h2spec`. Both are the same binary; the plain one has the least configuration that answers a request.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "support"))

from envoy_backend import Backend
from envoy_front import Front
from frontdoor.check import envoy_binary
from waiting import await_true

from stack.machine import ports
from stack.machine.http_probe import http_answers

# The parts of h2spec with the number of cases that they have in version 2.2.1.
PARTS = {"generic": 44, "http2": 94, "hpack": 7}
# An answer that needs no service; both answer it with 200 and a body.
PATH = "/openapi.json"
# h2spec waits so long for each frame. On a busy machine one second is too short for some.
FRAME_SECONDS = 3
PART_SECONDS = 600
PLAIN = """
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: plain
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {{prefix: /}}
                direct_response: {{status: 200, body: {{inline_string: a page of some length}}}}
"""


def main() -> int:
    """Compare both; return 1 when the front fails a case that plain Envoy passes."""
    program = h2spec()
    with tempfile.TemporaryDirectory(prefix="om-h2-") as name:
        folder = Path(name)
        with plain_envoy(folder) as port:
            plain = failures("plain Envoy", program, port, folder / "plain.xml")
        with front_proxy(folder) as port:
            front = failures("front proxy", program, port, folder / "front.xml")
    print(f"{sum(PARTS.values())} cases: plain Envoy fails {len(plain)}, the front proxy {len(front)}")
    for word, cases in (("both fail", plain & front), ("only plain Envoy fails", plain - front)):
        for case in sorted(cases):
            print(f"{word}: {case}")
    for case in sorted(front - plain):
        print(f"only the front proxy fails: {case}", file=sys.stderr)
    return 1 if front - plain else 0


def h2spec() -> str:
    """Return the program, in PATH or where Go installs programs."""
    found = shutil.which("h2spec") or shutil.which("h2spec", path=Path.home() / "go/bin")
    return found or sys.exit("h2spec is missing: run scripts/install-tools")


@contextmanager
def plain_envoy(folder: Path) -> Iterator[int]:
    """Run an Envoy without anything of ours and yield its port."""
    (port,) = ports.allocate(1)
    config = folder / "plain.yaml"
    config.write_text(PLAIN.format(port=port))
    # Envoy logs each broken frame of the tests.
    command = [envoy_binary(), "-c", config, "--concurrency", "1", "-l", "critical", "--disable-hot-restart"]
    process = subprocess.Popen(command)
    try:
        await_true(lambda: http_answers(port, PATH), "plain Envoy answers")
        yield port
    finally:
        process.terminate()
        process.wait()


@contextmanager
def front_proxy(folder: Path) -> Iterator[int]:
    """Run the front proxy with services behind it and yield its port."""
    backend = Backend(folder)
    try:
        front = Front(folder)
        try:
            yield front.port
        finally:
            front.stop()
    finally:
        backend.stop()


def failures(name: str, program: str, port: int, report: Path) -> set[str]:
    """Run all parts of h2spec against a port and return the cases that fail."""
    found: set[str] = set()
    for part, number in PARTS.items():
        print(f"{name}: {part}, {number} cases", end="", flush=True)
        options = ["-h", "127.0.0.1", "-p", str(port), "-P", PATH, "-o", str(FRAME_SECONDS), "-j", str(report)]
        subprocess.run(
            [program, part, *options],
            check=False,  # 1 where a case fails
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            timeout=PART_SECONDS,
        )
        cases = cases_of(report)
        assert len(cases) == number, f"h2spec ran {len(cases)} cases of {part} instead of {number}"
        failed = {name_of(case) for case in cases if any(case.iter("failure")) or any(case.iter("error"))}
        print(f": {len(failed)} fail")
        found |= failed
    return found


def cases_of(report: Path) -> list[ElementTree.Element]:
    """Return the cases of a report, which has frames as they were received, with bytes that XML does not allow."""
    text = "".join(one for one in report.read_text(errors="replace") if one.isprintable() or one == "\n")
    return list(ElementTree.fromstring(text).iter("testcase"))


def name_of(case: ElementTree.Element) -> str:
    """Return the section of the RFC and what is asked for."""
    return f"{case.get('package')} {case.get('classname')}"


if __name__ == "__main__":
    sys.exit(main())
