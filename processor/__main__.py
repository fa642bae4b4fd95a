"""The processor's programs: `python -m processor migrate`, `schema`, `work`, `serve`."""

from __future__ import annotations

import importlib
import sys

from runtime.exit_codes import ExitCode

# Imported on demand: the supervisor of `work` is long-running and needs little memory.
PROGRAMS = {
    "migrate": "processor.migrate",
    "schema": "processor.wait_for_schema",
    "work": "processor.supervise",
    "serve": "processor.serve",
}


def main(arguments: list[str]) -> int:
    """Run the program named by the arguments and return its exit code."""
    if len(arguments) != 1 or arguments[0] not in PROGRAMS:
        print(f"usage: python -m processor {' | '.join(PROGRAMS)}", file=sys.stderr)
        return ExitCode.USAGE
    code: int = importlib.import_module(PROGRAMS[arguments[0]]).main()
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
