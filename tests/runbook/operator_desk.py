"""An operator before a platform under load, with a Prometheus, a terminal and the runbook."""

from __future__ import annotations

import contextlib
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from guide import ALARM, DOCS, MARKED, Shell, environment, script
from monitoring import PAUSE_SECONDS, Monitoring, at_its_ports, matches, monitoring, targets
from seed import seeded_stack
from waiting import await_true
from watched_platform import ORDINARY, watched_platform

from faults.injection.launches import Launches
from faults.scenario import Needs
from faults.world import World

# Conditions with thresholds in seconds, windows of minutes at this pace, and work that is done every minute.
PATIENCE_SECONDS = 240.0
OBJECTIVES = ("OrdermeshCreateOrderErrors", "OrdermeshCountingDelay")
LOOK, TYPE, OVER = "What to look at", "What to type", "How to know it is over"


class Operator:
    """Follows pages of the runbook."""

    def __init__(self, world: World, watched: Monitoring) -> None:
        self.world = world
        self.monitoring = watched
        context = world.stack.context
        variables = {
            "ORDERMESH_HOME": str(context.state.home),
            "ADMIN_DSN": context.admin_dsn,
            "PROMETHEUS": watched.prometheus,
            "COLUMNS": "200",
        }
        self.shell = Shell(context.state.home, environment(**variables))

    def commands(self, page: str, part: str) -> list[tuple[str, str]]:
        """Return the marked blocks of a part of a page: their kind, and a script for the ports of this platform."""
        text = at_its_ports((DOCS / "runbook" / page).read_text(), self.world.stack)
        (found,) = [section for section in text.split("\n## ") if section.startswith(part)]
        return [(kind, script(kind, typed)) for place, kind, typed in MARKED.findall(found) if place == ALARM]

    def look(self, page: str) -> str:
        """Run the commands that show the state, which may say by their exit code that it is bad; return the output."""
        found = self.commands(page, LOOK)
        return "".join(self.shell.run(tolerant(text) if kind == "console" else text) for kind, text in found)

    def follow(self, page: str, part: str, variables: Mapping[str, Any]) -> None:
        """Run the commands of a part, all of which succeed."""
        self.shell.env |= {name: str(value) for name, value in variables.items()}
        for _, text in self.commands(page, part):
            self.shell.run(text)

    def handle(self, alert: str, page: str, *, labels: Mapping[str, str] | None = None, **variables: Any) -> None:
        """See an alert, look, type what its page says, and see it end."""
        wanted = dict(labels or {})
        self.monitoring.await_firing(alert, PATIENCE_SECONDS, **wanted)
        shown = next(one for one in self.monitoring.firing() if matches(one["labels"], alert, wanted))
        assert "error expanding" not in str(shown["annotations"])
        assert shown["annotations"]["runbook_url"].endswith(page.replace(".md", ".html"))
        self.look(page)
        self.follow(page, TYPE, variables)
        self.monitoring.await_resolved(alert, PATIENCE_SECONDS, **wanted)
        self.see_the_end(page)

    def handle_scraping(
        self, alert: str, page: str, job: str, change: Mapping[str, Any], *, labels: Mapping[str, str]
    ) -> str:
        """Have Prometheus scrape a job in a wrong way, see the alert, look, correct that, and see the alert end.

        Returns what was seen.
        """
        right = targets(self.world.stack)
        self.monitoring.write_targets([one | change if one["labels"]["job"] == job else one for one in right])
        try:
            self.monitoring.await_firing(alert, PATIENCE_SECONDS, **labels)
            seen = self.look(page)
        finally:
            self.monitoring.write_targets(right)
        self.monitoring.await_resolved(alert, PATIENCE_SECONDS, **labels)
        self.see_the_end(page)
        return seen

    def see_the_end(self, page: str) -> None:
        """Run the commands that show that it is over, again until all succeed: a busy platform is not well at once."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self.follow(page, OVER, {})
            except AssertionError:
                if time.monotonic() > deadline:
                    raise

    def await_silence(self, *, also_objectives: bool = False) -> None:
        """Wait until nothing fires, so that the next alarm is the only one.

        Objectives look back at earlier alarms: those of hours, which are critical, end within minutes at this pace.
        """

        def counts(labels: Mapping[str, str]) -> bool:
            return labels["alertname"] not in OBJECTIVES or (also_objectives and labels["severity"] == "critical")

        def firing() -> list[Any]:
            return [one for one in self.monitoring.firing() if counts(one["labels"])]

        await_true(lambda: not firing(), lambda: f"nothing fires: {firing()}", PATIENCE_SECONDS, PAUSE_SECONDS)


def tolerant(text: str) -> str:
    """Return a script whose lines may fail, but not because a command or an option does not exist."""
    lines = re.sub(r"\\\n", " ", text).splitlines()
    return "\n".join(f"{line} || {{ code=$?; [ $code -ne 127 ] && [ $code -ne 2 ]; }}" for line in lines)


@contextlib.contextmanager
def operator(needs: Needs = ORDINARY, brokers: int = 1, **more: Any) -> Iterator[Operator]:
    """Start a platform with a load and its monitoring; `more` is as for `running_stack`."""
    with watched_platform(needs, brokers, **more) as (world, watched):
        desk = Operator(world, watched)
        with contextlib.closing(desk.shell):
            yield desk


@contextlib.contextmanager
def operator_without_load(**settings: Any) -> Iterator[Operator]:
    """Start a platform with its monitoring; the arguments are those of `running_stack`."""
    with (
        tempfile.TemporaryDirectory(prefix="ordermesh-monitoring-") as folder,
        seeded_stack(**settings) as stack,
        monitoring(Path(folder), targets(stack)) as watched,
    ):
        desk = Operator(World(stack, Launches()), watched)
        with contextlib.closing(desk.shell):
            yield desk
