"""`python -m orders serve | publish | migrate | schema | topics | acls`."""

from __future__ import annotations

import importlib
import sys

from runtime.exit_codes import ExitCode

# Imported on demand, to keep the long-running supervisor of `serve` small.
PROGRAMS = {
    "serve": "orders.supervise",
    "publish": "orders.publish",
    "migrate": "orders.migrate",
    "schema": "orders.wait_for_schema",
    "topics": "orders.create_topics",
    "acls": "orders.create_acls",
}
USAGE = f"usage: python -m orders {' | '.join(PROGRAMS)}"


def main() -> int:
    """Run a program. Each module has `main`, and `FAILURES`, the errors that are reported as a failed start."""
    if len(sys.argv) != 2 or sys.argv[1] not in PROGRAMS:
        print(USAGE, file=sys.stderr)
        return ExitCode.USAGE
    program = importlib.import_module(PROGRAMS[sys.argv[1]])
    try:
        program.main()
    except program.FAILURES as error:
        print(f"orders {sys.argv[1]}: {str(error).strip()}", file=sys.stderr)
        return ExitCode.START_FAILED
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(main())
