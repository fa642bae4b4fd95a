"""`ordermesh audit`: what operators changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from cli.output.formats import date_time
from cli.output.terminal import console, until_interrupted
from cli.target import DatabaseTarget, DsnSetting
from cli.times import parse_time
from runtime import timestamps
from runtime.audit.reading import Entry, EntryFilter, read_entries
from runtime.telemetry.console import shown_json
from stack.servers.credentials import VIEWER

POLL_SECONDS = 1.0
# An entry is written before its transaction commits, which takes at most the statement timeout of the services.
LATE = timedelta(seconds=20)
MAX_LATE_ENTRIES = 100_000

DATABASES: dict[str, DsnSetting] = {"orders": "orders_dsn", "analytics": "analytics_dsn"}
# An entry with the name of its database.
Found = tuple[str, Entry]


def audit(
    since: Annotated[str, typer.Option(help="Only after this: 90s, 15m, 24h, 7d ago, or a time in RFC 3339.")] = "",
    actor: Annotated[str | None, typer.Option(help="Only of this subject, such as an account.")] = None,
    action: Annotated[str | None, typer.Option(help="Only this action, such as ShipOrder.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Maximum number of entries of each database.")] = 100,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document per line.")] = False,
) -> None:
    """Show what operators changed, when and from where."""
    dsns = {name: DatabaseTarget(setting, VIEWER, name).dsn() for name, setting in DATABASES.items()}
    show = print_json if as_json else print_line
    matching = EntryFilter(parse_time(since, "--since") if since else timestamps.EPOCH, actor, action)
    with until_interrupted():
        found = read(dsns, matching, limit)
        for each in found:
            show(*each)
        if not found and not follow and not as_json:
            console.print("no operator changed anything that matches")
        if follow:
            show_more(dsns, matching, found, show)


def read(dsns: dict[str, str], matching: EntryFilter, limit: int) -> list[Found]:
    """Return the entries of both databases by time."""
    found = [(name, each) for name, dsn in dsns.items() for each in read_entries(dsn, matching, limit)]
    return sorted(found, key=lambda each: (each[1].at, each[0], each[1].id))


def show_more(
    dsns: dict[str, str], matching: EntryFilter, shown: Iterable[Found], show: Callable[[str, Entry], None]
) -> None:
    """Show entries as they are committed, each once; does not return."""
    seen = {(name, each.id) for name, each in shown}
    last = max((each.at for _, each in shown), default=datetime.now(UTC))
    while True:
        time.sleep(POLL_SECONDS)
        window = EntryFilter(max(matching.since, last - LATE), matching.subject, matching.action)
        recent = read(dsns, window, MAX_LATE_ENTRIES)
        for name, each in recent:
            if (name, each.id) not in seen:
                show(name, each)
                seen.add((name, each.id))
                last = max(last, each.at)


def print_json(database: str, entry: Entry) -> None:
    """Print an entry as a JSON document."""
    fields: dict[str, Any] = {**entry._asdict(), "at": entry.at.astimezone(UTC).isoformat(), "database": database}
    typer.echo(shown_json(fields))


def print_line(database: str, entry: Entry) -> None:
    """Print an entry as a line; text of clients is escaped."""
    who = f"{entry.role}:{entry.subject} from {entry.client_address or 'an unknown address'}"
    trace = f"  trace {entry.trace_id}" if entry.trace_id else ""
    changed = ", ".join(changes(entry.before or {}, entry.after or {}))
    line = f"{date_time(entry.at.astimezone(UTC))}Z  {entry.action} {entry.target}  {changed}  by {who}{trace}"
    console.print(line, soft_wrap=True)


def changes(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """Yield what changed as `name: before → after`, and what is new as `name: after`."""
    for name, value in after.items():
        if name not in before:
            yield f"{name}: {value}"
        elif before[name] != value:
            yield f"{name}: {before[name]} → {value}"
