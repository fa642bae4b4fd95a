"""What the commands show: one console, one way to fail."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import psycopg
from confluent_kafka import KafkaException
from rich.console import Console
from rich.table import Table

from runtime.exit_codes import ExitCode
from stack.errors import SettingInvalid, StackError

# Where no terminal says how wide it is, lines are left whole for the program that reads them.
WIDE_COLUMNS = 400
console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDE_COLUMNS)
errors = Console(stderr=True, highlight=False)


@contextmanager
def failing() -> Iterator[None]:
    """End the process with one line for each error that a person can do something about."""
    try:
        yield
    except StackError as error:
        stop(str(error), ExitCode.CONFIG if isinstance(error, SettingInvalid) else ExitCode.START_FAILED)
    except psycopg.Error as error:
        stop(f"PostgreSQL: {str(error).strip()}", ExitCode.UNREACHABLE)
    except KafkaException as error:
        stop(f"Kafka: {error.args[0].str()}", ExitCode.UNREACHABLE)
    except grpc.RpcError as error:
        call = error if isinstance(error, grpc.Call) else None
        words = f"{call.code().name}: {call.details()}" if call else str(error)
        stop(words, ExitCode.UNREACHABLE)
    except KeyboardInterrupt:
        stop("interrupted", ExitCode.INTERRUPTED)


def stop(message: str, code: ExitCode) -> None:
    """Print a message and end the process with a code."""
    errors.print(f"[red]ordermesh:[/red] {message}", markup=True, soft_wrap=True)
    sys.exit(code)


def plain_table(*columns: str) -> Table:
    """Return an empty table in the house's look; a column that begins with > is of numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        numbers = column.startswith(">")
        table.add_column(column.removeprefix(">"), justify="right" if numbers else "left", overflow="fold")
    return table
