"""The output of the commands: the consoles and the style of tables and errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.table import Table
from rich.text import Text

from runtime.telemetry.console import EscapingConsole
from runtime.telemetry.output import Output

# Without a terminal, lines are not wrapped, for programs that read them.
WIDE_COLUMNS = 400
# Paths, errors and data of clients may look like markup or control sequences. Coloured output is a Text.
console = EscapingConsole(width=None if sys.stdout.isatty() else WIDE_COLUMNS)
errors = EscapingConsole(stderr=True)


def ignore_output_errors() -> None:
    """Ignore write errors of the standard output from now on; the number of lost writes is printed."""
    output = Output(sys.stdout.fileno(), lambda lost, cause: f"({lost} writes were lost: {cause})")
    console.file = output  # type: ignore[assignment]  # a stream as far as it is used


def print_error(message: str) -> None:
    """Print an error without wrapping its lines."""
    errors.print(Text.assemble(("ordermesh: ", "red"), message), soft_wrap=True)


@contextmanager
def until_interrupted() -> Iterator[None]:
    """Leave the block without an error on Ctrl-C and when the reader of the output has gone."""
    try:
        yield
    except KeyboardInterrupt:
        return
    except BrokenPipeError:
        # The buffered rest must not raise the error again when Python exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_heading(text: str) -> None:
    """Print a heading: a rule on a terminal, else a line."""
    if console.is_terminal:
        console.rule(text)
    else:
        console.print(f"\n== {text}")


def plain_table(*columns: str) -> Table:
    """Return an empty table; the columns that begin with > are right-aligned."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        numbers = column.startswith(">")
        table.add_column(column.removeprefix(">"), justify="right" if numbers else "left", overflow="fold")
    return table
