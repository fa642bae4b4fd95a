"""Lets schemathesis call everything in the OpenAPI document through Envoy: no status that it does not name, no 5xx.

First without credentials, by which no service may be reached, then with an operator's key.

`python tests/contract/rest_fuzz.py [seed]`. Schemathesis lives in an environment of its own, made on first use.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import urllib.request
import venv
from pathlib import Path

from stack.running_stack import running_stack

PINNED = "schemathesis==4.32.5"
HOME = Path(sys.prefix) / "schemathesis"
# Not `unsupported_method`: a path with another verb is 404 here, with a message that says so. Not `ignored_auth`, which
# sends a wrong key in one header beside the right one in the other; the matrix in tests/security/ has such callers.
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
    "response_headers_conformance"
)
PAGES = ("/openapi.json",)
# Streams without an end; the end-to-end tests watch them.
STREAMS = ":watch(Lines)?$"


def program() -> Path:
    """Return schemathesis, installed where it is missing."""
    found = HOME / "bin" / "schemathesis"
    if not found.exists():
        venv.create(HOME, with_pip=True)
        subprocess.run([HOME / "bin" / "pip", "install", "--quiet", PINNED], check=True)
    return found


def command(url: str, seed: str, credential: str | None) -> list[str | Path]:
    """Return the call of schemathesis."""
    sent = ["--header", f"authorization: Bearer {credential}"] if credential else []
    options = [
        *sent,
        "--checks",
        CHECKS,
        "--exclude-path-regex",
        STREAMS,
        "--max-examples",
        "50" if credential else "10",
        "--seed",
        seed,
        "--request-timeout",
        "60",
        "--continue-on-failure",
        "--no-color",
    ]
    return [program(), "run", f"{url}/openapi.json", *options]


def reached_services(access_log: Path) -> list[str]:
    """Return the calls without credentials that reached a service; pages and health are open."""
    lines = [json.loads(line) for line in access_log.read_text().splitlines()]
    return [
        line["url.path"]
        for line in lines
        if "envoy.upstream_host" in line and "envoy.caller" not in line and line["envoy.rpc"] not in PAGES
    ]


def verdict(url: str, credential: str) -> str:
    """Return what the platform says of itself after all that."""
    headers = {"content-type": "application/json", "authorization": f"Bearer {credential}"}
    request = urllib.request.Request(f"{url}/v1/pipeline:reconcile", b"{}", headers)
    with urllib.request.urlopen(request, timeout=60) as reply:
        answer: dict[str, str] = json.load(reply)
    print(answer["summary"])
    return answer["verdict"]


def main() -> int:
    """Run it on a stack of its own; 0 when nothing was found and nothing got lost."""
    seed = sys.argv[1] if len(sys.argv) > 1 else str(random.randrange(10**6))
    program()
    with running_stack(auth="keys") as stack:
        key = str(stack.credential)
        codes = [
            subprocess.run(command(stack.rest, seed, each), check=False, cwd=HOME).returncode for each in (None, key)
        ]
        agrees = verdict(stack.rest, key) == "AGREES"
        reached = reached_services(stack.context.access_log.path)
    print(f"calls without credentials that reached a service: {', '.join(reached) or 'none'}")
    return max(codes) or (0 if agrees and not reached else 1)


if __name__ == "__main__":
    sys.exit(main())
