"""Text of others on the terminal: printed as it is, except for what a terminal would interpret."""

import io
import json
from collections.abc import Callable

import pytest
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from cli.local import lifecycle
from cli.output import terminal
from cli.output.terminal import plain_table
from cli.pipeline.component_rows import component_rows
from loadgen.__main__ import main as loadgen_main
from runtime.telemetry.console import EscapingConsole, shown_json
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


# C0 but the line feed, DEL, C1, marks and overrides of direction, separators, and what has no width.
INTERPRETED = "".join(
    map(chr, (*range(10), *range(11, 32), *range(0x7F, 0xA0), 0x61C, 0x200B, *range(0x200E, 0x2010), 0xFEFF))
) + "".join(map(chr, (*range(0x2028, 0x202F), *range(0x2066, 0x206A), 0xE0041)))


def cell(text: str) -> Table:
    """Return a table with the text in its only cell."""
    table = plain_table("c")
    table.add_row(text)
    return table


@pytest.mark.parametrize("shown", [str, Text, cell, lambda text: Text.assemble((text, "red"), " ", text)])
@pytest.mark.parametrize("code", [ord(one) for one in INTERPRETED])
def test_what_a_terminal_interprets_is_printed_as_its_code(
    code: int, shown: Callable[[str], RenderableType], printed: io.StringIO
) -> None:
    terminal.console.print(shown(f"a{chr(code)}b"))
    written = printed.getvalue()
    assert written.replace("\n", "").isprintable()
    # The library leaves these out of a Text.
    assert repr(chr(code))[1:-1] in written or chr(code) in "\a\b\t\v\f\r"


def test_letters_of_any_language_are_printed_unchanged(printed: io.StringIO) -> None:
    terminal.console.print("naïve 订单 заказ Bestellung 😀")
    assert "naïve 订单 заказ Bestellung 😀" in printed.getvalue()


def test_colours_and_cursor_movements_of_our_own_reach_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    written = io.StringIO()
    console = EscapingConsole(file=written, force_terminal=True, color_system="standard")
    console.print(Text("x", style="red"))
    console.show_cursor(False)
    assert "\x1b[31mx" in written.getvalue()
    assert "\x1b[?25l" in written.getvalue()


def test_an_error_of_a_target_is_escaped(capfd: pytest.CaptureFixture[str]) -> None:
    loadgen_main(["--rate", "\x1b[2J"], "loadgen")
    error = capfd.readouterr().err
    assert "\\x1b[2J" in error
    assert "\x1b" not in error


@pytest.mark.parametrize("code", [ord(one) for one in INTERPRETED])
def test_json_for_programs_shows_nothing_that_a_terminal_interprets_and_keeps_its_meaning(code: int) -> None:
    value = {"a": f"x{chr(code)}é", chr(code): [1]}
    text = shown_json(value)
    assert text.isprintable()
    assert json.loads(text) == value
    assert "é" in text
