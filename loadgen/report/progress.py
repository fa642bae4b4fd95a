"""Shows the progress of a run: a live table on a terminal, otherwise a line every five seconds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table

from runtime.telemetry.console import EscapingConsole


@dataclass(frozen=True)
class Snapshot:
    """The state of a run; latencies are those of orders accepted since the last snapshot."""

    elapsed_seconds: float
    duration_seconds: float
    offered: int
    accepted: int
    failed: int
    not_sent: int
    in_flight_calls: int
    accepted_per_second: float
    p50_ms: float
    p99_ms: float
    lag_p99_ms: float
    errors: Mapping[str, int]
    retries: Mapping[str, int]


class Screen(Protocol):
    """Shows a snapshot every `interval_seconds`, and messages."""

    interval_seconds: float

    def say(self, text: str) -> None:
        """Show a message."""

    def show(self, snapshot: Snapshot) -> None:
        """Show a snapshot; must be fast, because it runs between two sends."""

    def close(self) -> None:
        """End the display."""


class LiveScreen:
    """Redraws a table in place, once a second only: drawing takes milliseconds and delays the schedule."""

    interval_seconds = 1.0

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False)

    def say(self, text: str) -> None:
        """Print a line."""
        print_line(self._console, text)

    def show(self, snapshot: Snapshot) -> None:
        """Redraw the table."""
        table = Table.grid(padding=(0, 2))
        for name, value in (*_figures(snapshot).items(), *_kinds(snapshot).items()):
            table.add_row(name, value)
        self._live.start()
        self._live.update(table, refresh=True)

    def close(self) -> None:
        """Keep the last table on the screen."""
        self._live.stop()


class LineScreen:
    """Prints a line every five seconds."""

    interval_seconds = 5.0

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, text: str) -> None:
        """Print a line."""
        print_line(self._console, text)

    def show(self, snapshot: Snapshot) -> None:
        """Print a line."""
        figures = {**_figures(snapshot), **_kinds(snapshot)}
        print_line(self._console, ", ".join(f"{name} {value}" for name, value in figures.items()))

    def close(self) -> None:
        """Do nothing."""


def open_screen(console: Console | None = None) -> Screen:
    """Return the screen for a console, by default standard output."""
    console = console or EscapingConsole()
    return LiveScreen(console) if console.is_terminal else LineScreen(console)


def print_line(console: Console, text: str) -> None:
    """Print text without wrapping."""
    console.print(text, soft_wrap=True)


def _figures(snapshot: Snapshot) -> dict[str, str]:
    return {
        "time": f"{snapshot.elapsed_seconds:.0f} of {snapshot.duration_seconds:.0f} s",
        "offered": f"{snapshot.offered:,}",
        "accepted": f"{snapshot.accepted:,} ({snapshot.accepted_per_second:,.0f}/s)",
        "failed": f"{snapshot.failed:,}",
        "in flight": f"{snapshot.in_flight_calls:,}",
        "p50": f"{snapshot.p50_ms:.1f} ms",
        "p99": f"{snapshot.p99_ms:.1f} ms",
        "schedule lag p99": f"{snapshot.lag_p99_ms:.2f} ms",
    }


def _kinds(snapshot: Snapshot) -> dict[str, str]:
    errors = {f"error {kind}": f"{count:,}" for kind, count in snapshot.errors.items()}
    retries = {f"retried {kind}": f"{count:,}" for kind, count in snapshot.retries.items()}
    never = {"not sent": f"{snapshot.not_sent:,}"} if snapshot.not_sent else {}
    return errors | never | retries
