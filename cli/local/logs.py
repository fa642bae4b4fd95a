"""`ordermesh logs`: the logs of all components, merged by time."""

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

# Shown only by name: a line for each request, and the output of `up`, whose events are in the supervisor's log.
NAMED_ONLY = {"access", "up"}
FIRST_BLOCK_BYTES = 64 * 1024
POLL_SECONDS = 0.2
LOOK = {"warning": "yellow", "error": "red"}


def log_files() -> list[Path]:
    """Return the log files of the stack, none when it has never run."""
    home = default_home()
    return sorted(StateFolder(home).logs.glob("*.log")) if home.is_dir() else []


def components_with_logs() -> list[str]:
    """Return the components that have a log."""
    return [path.stem for path in log_files()]


def logs(
    component: Annotated[
        str | None,
        typer.Argument(
            help="A component as in `ordermesh status`; all by default.", autocompletion=components_with_logs
        ),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Follow new lines until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="Number of last lines.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print lines as JSON, for programs.")] = False,
) -> None:
    """Show the last log lines of all components, merged by time."""
    tails = [Tail(path) for path in chosen_files(component)]
    width = max(len(tail.source) for tail in tails)
    with until_interrupted():
        show(last_lines(tails, lines), width, as_json=as_json)
        while follow:
            time.sleep(POLL_SECONDS)
            show(by_time(line for tail in tails for line in tail.new()), width, as_json=as_json)


def chosen_files(component: str | None) -> list[Path]:
    """Return the files to show. Raises BadParameter for a component without a log, ServerFailed when there are none."""
    files = log_files()
    if not files:
        raise ServerFailed(f"no logs in {default_home()}: start the stack with `ordermesh up`")
    if component is None:
        return [path for path in files if path.stem not in NAMED_ONLY]
    named = [path for path in files if path.stem == component]
    if not named:
        raise typer.BadParameter(f"no log of {component!r}; available: {', '.join(components_with_logs())}")
    return named


class Tail:
    """Reads the end of a log file and what is appended; the file may be truncated meanwhile."""

    def __init__(self, path: Path) -> None:
        self.source = path.stem
        self._path = path
        self._read_bytes = 0
        self._time = ""

    def last(self, count: int) -> list[LogLine]:
        """Return the last lines; `new` continues after them."""
        size = self._path.stat().st_size
        block = FIRST_BLOCK_BYTES
        while True:
            with self._path.open("rb") as file:
                file.seek(max(0, size - block))
                content = file.read()
            lines = split(content)
            if block >= size or len(lines) > count + 1:
                break
            block *= 4
        self._read_bytes = max(0, size - block) + len(content)
        return self._parsed(lines if block >= size else lines[1:])[-count:] if count else []

    def new(self) -> list[LogLine]:
        """Return the complete lines that were appended since the last call."""
        size = self._path.stat().st_size
        if size < self._read_bytes:
            self._read_bytes = 0
        with self._path.open("rb") as file:
            file.seek(self._read_bytes)
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        self._read_bytes += len(whole)
        return self._parsed(split(whole))

    def _parsed(self, lines: Sequence[bytes]) -> list[LogLine]:
        read = list(parse(self.source, (line.decode("utf-8", "replace") for line in lines if line.strip()), self._time))
        if read:
            self._time = read[-1].time
        return read


def split(content: bytes) -> list[bytes]:
    """Return the lines; a carriage return, which may be in the text of a client, ends none."""
    return content.removesuffix(b"\n").split(b"\n")


def last_lines(tails: Sequence[Tail], count: int) -> list[LogLine]:
    """Return the last lines of all files together."""
    merged = by_time(line for tail in tails for line in tail.last(count))
    return merged[-count:] if count else []


def by_time(lines: Iterator[LogLine]) -> list[LogLine]:
    """Return lines sorted by time; lines of one file with the same time keep their order."""
    return sorted(lines, key=lambda line: line.time[:23])


def show(lines: Sequence[LogLine], name_width: int, *, as_json: bool) -> None:
    """Print lines as JSON or as text."""
    for line in lines:
        if as_json:
            print(line.as_json(), flush=True)
        else:
            console.print(Text(line.as_text(name_width), style=LOOK.get(line.level, "")), soft_wrap=True)
