"""The processor's programs: `python -m processor migrate`, `work`, `serve`."""

from __future__ import annotations

import sys
from collections.abc import Callable

import psycopg

from processor import serve, supervise
from processor.settings import DatabaseSettings
from runtime import logging, postgres
from runtime.exit_codes import ExitCode


def migrate() -> int:
    """Create or upgrade the analytics database's schema."""
    settings = DatabaseSettings.load()
    logging.configure("processor", settings)
    try:
        applied = postgres.migrate(settings.analytics_dsn.get_secret_value(), "processor.migrations")
    except (psycopg.Error, ValueError) as error:
        logging.logger().error("migration failed", error=str(error).strip())
        return ExitCode.START_FAILED
    logging.logger().info("schema is current", applied=applied)
    return ExitCode.OK


COMMANDS: dict[str, Callable[[], int]] = {"migrate": migrate, "work": supervise.work, "serve": serve.serve}


def main(arguments: list[str]) -> int:
    """Run the command that the arguments name."""
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        print(f"usage: python -m processor {' | '.join(COMMANDS)}", file=sys.stderr)
        return ExitCode.USAGE
    return COMMANDS[arguments[0]]()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
