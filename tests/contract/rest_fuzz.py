"""Lets schemathesis call everything in the OpenAPI document through Envoy: no status that it does not name, no 5xx.

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
# Not `unsupported_method`: a path with another verb is 404 here, with a message that says so.
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
    "response_headers_conformance"
)
# Streams without an end; the end-to-end tests watch them.
STREAMS = ":watch(Lines)?$"


def program() -> Path:
    """Return schemathesis, installed where it is missing."""
    found = HOME / "bin" / "schemathesis"
    if not found.exists():
        venv.create(HOME, with_pip=True)
        subprocess.run([HOME / "bin" / "pip", "install", "--quiet", PINNED], check=True)
    return found


def command(url: str, seed: str) -> list[str | Path]:
    """Return the call of schemathesis."""
    options = [
        "--checks",
        CHECKS,
        "--exclude-path-regex",
        STREAMS,
        "--max-examples",
        "50",
        "--seed",
        seed,
        "--request-timeout",
        "60",
        "--continue-on-failure",
        "--no-color",
    ]
    return [program(), "run", f"{url}/openapi.json", *options]


def verdict(url: str) -> str:
    """Return what the platform says of itself after all that."""
    request = urllib.request.Request(f"{url}/v1/pipeline:reconcile", b"{}", {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        answer: dict[str, str] = json.load(reply)
    print(answer["summary"])
    return answer["verdict"]


def main() -> int:
    """Run it on a stack of its own; 0 when nothing was found and nothing got lost."""
    seed = sys.argv[1] if len(sys.argv) > 1 else str(random.randrange(10**6))
    program()
    with running_stack() as stack:
        ended = subprocess.run(command(stack.rest, seed), check=False, cwd=HOME)
        agrees = verdict(stack.rest) == "AGREES"
    return ended.returncode or (0 if agrees else 1)


if __name__ == "__main__":
    sys.exit(main())
