"""Generates the blocking client, ordermesh_client/client.py, from the asyncio client, ordermesh_client/aio.py.

`python clients/python/generate_client.py` writes client.py; `--check` fails when it is stale. The blocking client is
the asyncio client without `async` and `await`, with the names in REPLACED replaced. Needs ruff.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tokenize
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent / "ordermesh_client"
SOURCE = PACKAGE / "aio.py"
TARGET = PACKAGE / "client.py"
NOTICE = "# Generated from aio.py by clients/python/generate_client.py: do not edit.\n"
STALE = "clients/python/ordermesh_client/client.py is stale: run `make gen`"
REMOVED = {"async", "await"}
REPLACED = {
    "AsyncClient": "Client",
    "AsyncIterator": "Iterator",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "asyncio": "time",
    "open_async": "open_sync",
    '"""The asyncio client."""': '"""The blocking client."""',
    '"""A client for one event loop. A call that fails raises an OrdermeshError."""': (
        '"""A client that may be shared by threads. A call that fails raises an OrdermeshError."""'
    ),
}


def generate() -> str:
    """Return the source of the blocking client."""
    text = NOTICE + blocking(SOURCE.read_text())
    return ruff("format", ruff("check", text, "--select", "I,UP028", "--fix", "--unsafe-fixes"))


def blocking(source: str) -> str:
    """Return the source without async and await, and with every name of REPLACED replaced; fail when one is missing."""
    lines = source.splitlines(keepends=True)
    words = REMOVED | REPLACED.keys()
    tokens = [token for token in tokenize.generate_tokens(io.StringIO(source).readline) if token.string in words]
    # Backwards: a replacement moves the tokens after it.
    for token in reversed(tokens):
        (row, start), (_, end) = token.start, token.end
        line = lines[row - 1]
        # The space after a removed word is removed too.
        rest = line[end + 1 :] if token.string in REMOVED else line[end:]
        lines[row - 1] = line[:start] + REPLACED.get(token.string, "") + rest
    if missing := REPLACED.keys() - {token.string for token in tokens}:
        sys.exit(f"{SOURCE.name} has no {', '.join(sorted(missing))}: correct REPLACED in {Path(__file__).name}")
    return "".join(lines)


def ruff(command: str, text: str, *options: str) -> str:
    """Return the text after a ruff command, with the settings that hold for the target."""
    program = [sys.executable, "-m", "ruff", command, "--quiet", *options, "--stdin-filename", str(TARGET), "-"]
    run = subprocess.run(program, input=text, capture_output=True, text=True, check=False)  # noqa: S603 - no input from outside
    if run.returncode != 0:
        sys.exit(f"ruff {command} failed: {run.stderr or run.stdout}")
    return run.stdout


def main() -> None:
    """Write the blocking client, or check that it is up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when client.py is stale; write nothing")
    text = generate()
    if parser.parse_args().check:
        sys.exit(None if TARGET.read_text() == text else STALE)
    TARGET.write_text(text)


if __name__ == "__main__":
    main()
