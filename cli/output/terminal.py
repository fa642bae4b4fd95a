"""What the commands show: one console, one look."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table
from rich.text import Text

from runtime.telemetry.output import Output

# Where no terminal says how wide it is, lines are left whole for the program that reads them.
WIDE_COLUMNS = 400
# Nothing that is printed is read as markup or as the name of an emoji: paths, errors and what clients sent may look
# like either. What is to be coloured is a Text.
console = Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else WIDE_COLUMNS)
errors = Console(stderr=True, highlight=False, markup=False, emoji=False)


def ignore_output_errors() -> None:
    """Let what this process prints from now on be lost where it cannot be written, and the process go on."""
    output = Output(sys.stdout.fileno(), lambda lost, cause: f"({lost} writes were lost: {cause})")
    console.file = output  # type: ignore[assignment]  # a stream as far as it is used


def print_error(message: str) -> None:
    """Print an error as it is, in one piece."""
    errors.print(Text.assemble(("ordermesh: ", "red"), message), soft_wrap=True)


@contextmanager
def until_interrupted() -> Iterator[None]:
    """Let Ctrl-C, or the end of who reads the output, end what is written without an end."""
    try:
        yield
    except KeyboardInterrupt:
        return
    except BrokenPipeError:
        # What is still buffered must not fail once more when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_heading(text: str) -> None:
    """Print the title of what follows: a rule on a terminal, a line of its own elsewhere."""
    if console.is_terminal:
        console.rule(text)
    else:
        console.print(f"\n== {text}")


def plain_table(*columns: str) -> Table:
    """Return an empty table in the house's look; a column that begins with > is of numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        numbers = column.startswith(">")
        table.add_column(column.removeprefix(">"), justify="right" if numbers else "left", overflow="fold")
    return table
