"""`ordermesh logs`: the logs of all parts, merged by time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from cli.local.log_lines import LogLine, parse
from cli.output.terminal import console, until_interrupted
from stack.errors import ServerFailed
from stack.machine.paths import default_home
from stack.machine.state_folder import StateFolder

# Shown when they are named: a line per request, and what `up` printed, which is in the supervisor's log too.
NAMED_ONLY = {"access", "up"}
FIRST_BLOCK_BYTES = 64 * 1024
POLL_SECONDS = 0.2
LOOK = {"warning": "yellow", "error": "red"}


def log_files() -> list[Path]:
    """Return the stack's log files, none where it never ran."""
    home = default_home()
    return sorted(StateFolder(home).logs.glob("*.log")) if home.is_dir() else []


def parts_with_logs() -> list[str]:
    """Return the parts whose logs can be shown."""
    return [path.stem for path in log_files()]


def logs(
    component: Annotated[
        str | None,
        typer.Argument(help="A part, as `ordermesh status` names it; without it, all.", autocompletion=parts_with_logs),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines come; Ctrl-C ends it.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="A line of JSON each, for programs.")] = False,
) -> None:
    """Show the last log lines of all parts, merged by time."""
    tails = [Tail(path) for path in chosen_files(component)]
    width = max(len(tail.part) for tail in tails)
    with until_interrupted():
        show(last_lines(tails, lines), width, as_json=as_json)
        while follow:
            time.sleep(POLL_SECONDS)
            show(by_time(line for tail in tails for line in tail.new()), width, as_json=as_json)


def chosen_files(component: str | None) -> list[Path]:
    """Return the files to show. Raises BadParameter for a part without a log, ServerFailed where there are none."""
    files = log_files()
    if not files:
        raise ServerFailed(f"no logs in {default_home()}: start the stack with `ordermesh up`")
    if component is None:
        return [path for path in files if path.stem not in NAMED_ONLY]
    named = [path for path in files if path.stem == component]
    if not named:
        raise typer.BadParameter(f"no log of {component!r}; there are: {', '.join(parts_with_logs())}")
    return named


class Tail:
    """Reads a log file from its end on, also when it is cut meanwhile."""

    def __init__(self, path: Path) -> None:
        self.part = path.stem
        self._path = path
        self._read_bytes = 0
        self._time = ""

    def last(self, count: int) -> list[LogLine]:
        """Return the last lines, and go on behind them."""
        size = self._path.stat().st_size
        block = FIRST_BLOCK_BYTES
        while True:
            with self._path.open("rb") as file:
                file.seek(max(0, size - block))
                content = file.read()
            lines = content.splitlines()
            if block >= size or len(lines) > count + 1:
                break
            block *= 4
        self._read_bytes = max(0, size - block) + len(content)
        return self._parsed(lines if block >= size else lines[1:])[-count:] if count else []

    def new(self) -> list[LogLine]:
        """Return the whole lines that came since."""
        size = self._path.stat().st_size
        if size < self._read_bytes:
            self._read_bytes = 0
        with self._path.open("rb") as file:
            file.seek(self._read_bytes)
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        self._read_bytes += len(whole)
        return self._parsed(whole.splitlines())

    def _parsed(self, lines: Sequence[bytes]) -> list[LogLine]:
        read = list(parse(self.part, (line.decode("utf-8", "replace") for line in lines if line.strip()), self._time))
        if read:
            self._time = read[-1].time
        return read


def last_lines(tails: Sequence[Tail], count: int) -> list[LogLine]:
    """Return the last lines of all files together."""
    merged = by_time(line for tail in tails for line in tail.last(count))
    return merged[-count:] if count else []


def by_time(lines: Iterator[LogLine]) -> list[LogLine]:
    """Return lines by time; those of one file and time stay in their order."""
    return sorted(lines, key=lambda line: line.time[:23])


def show(lines: Sequence[LogLine], part_width: int, *, as_json: bool) -> None:
    """Print lines for a program or for a person."""
    for line in lines:
        if as_json:
            print(line.as_json(), flush=True)
        else:
            console.print(Text(line.as_text(part_width), style=LOOK.get(line.level, "")), soft_wrap=True)
