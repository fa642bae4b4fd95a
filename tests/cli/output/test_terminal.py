"""Text of others on the terminal: it is printed as it is, whatever it looks like."""

import io

import pytest
from rich.console import Console

from cli.local import lifecycle
from cli.output import terminal
from cli.output.terminal import plain_table
from cli.pipeline.component_rows import component_rows
from stack.processes.proc import ProcessId
from stack.supervision.status import ComponentStatus, StackStatus, State
from stack.supervision.status_board import StateChange

LOOKS_LIKE_MARKUP = "cannot write [/var/lib]: [red]no[/] space :warning: [bold"


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    written = io.StringIO()
    for console in (terminal.console, terminal.errors):
        monkeypatch.setattr(console, "_file", written)
    return written


def test_the_error_of_a_state_change_is_printed_unchanged(printed: io.StringIO) -> None:
    lifecycle.show_state_change(StateChange("2026-01-01T00:00:00.000Z", "kafka", State.DOWN, LOOKS_LIKE_MARKUP))
    assert LOOKS_LIKE_MARKUP in printed.getvalue()


def test_a_table_shows_an_error_unchanged(printed: io.StringIO) -> None:
    components = {"kafka": ComponentStatus(State.DOWN, detail=LOOKS_LIKE_MARKUP, address="[/a]")}
    known = StackStatus(ProcessId(1, 1), "", {}, components)
    terminal.console.print(lifecycle.components_table(list(component_rows(known, None))))
    assert LOOKS_LIKE_MARKUP in printed.getvalue()
    assert "[/a]" in printed.getvalue()


def test_a_cell_a_line_and_an_error_are_printed_unchanged(printed: io.StringIO) -> None:
    table = plain_table("[/column]")
    table.add_row(LOOKS_LIKE_MARKUP)
    terminal.console.print(table)
    terminal.console.print(LOOKS_LIKE_MARKUP)
    terminal.print_error(LOOKS_LIKE_MARKUP)
    assert printed.getvalue().count(LOOKS_LIKE_MARKUP) == 3
    assert "[/column]" in printed.getvalue()


def test_no_console_parses_markup() -> None:
    consoles = [one for one in vars(terminal).values() if isinstance(one, Console)]
    assert len(consoles) == 2
    assert not any(console._markup or console._emoji for console in consoles)
