"""Runs a program against its own stack: `python tests/clients/with_stack.py PROGRAM {rest} {grpc} ...`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from stack.running_stack import running_stack


def main() -> int:
    with running_stack() as stack:
        command = [argument.format(rest=stack.rest, grpc=stack.grpc) for argument in sys.argv[1:]]
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
