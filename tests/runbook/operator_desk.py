"""An operator before a platform under load, with a Prometheus, a terminal and the runbook."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from guide import ALARM, DOCS, MARKED, Shell, environment, script
from monitoring import Monitoring, at_its_ports, matches
from waiting import await_true
from watched_platform import ORDINARY, watched_platform

from faults.scenario import Needs
from faults.world import World

# Conditions with thresholds in seconds, and windows of minutes at this pace.
PATIENCE_SECONDS = 150.0
OBJECTIVES = ("OrdermeshCreateOrderErrors", "OrdermeshCountingDelay")
LOOK, TYPE, OVER = "What to look at", "What to type", "How to know it is over"


class Operator:
    """Follows pages of the runbook."""

    def __init__(self, world: World, watched: Monitoring) -> None:
        self.world = world
        self.monitoring = watched
        context = world.stack.context
        variables = {"ORDERMESH_HOME": str(context.state.home), "ADMIN_DSN": context.admin_dsn, "COLUMNS": "200"}
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
        await_true(self.world.ready, "every component is ready", PATIENCE_SECONDS)
        self.follow(page, OVER, {})

    def await_silence(self, *, also_objectives: bool = False) -> None:
        """Wait until nothing fires, so that the next alarm is the only one; objectives look back at earlier ones."""

        def firing() -> list[Any]:
            found = self.monitoring.firing()
            return [one for one in found if also_objectives or one["labels"]["alertname"] not in OBJECTIVES]

        await_true(lambda: not firing(), lambda: f"nothing fires: {firing()}", PATIENCE_SECONDS)


def tolerant(text: str) -> str:
    """Return a script whose lines may fail, but not because a command or an option does not exist."""
    lines = re.sub(r"\\\n", " ", text).splitlines()
    return "\n".join(f"{line} || {{ code=$?; [ $code -ne 127 ] && [ $code -ne 2 ]; }}" for line in lines)


@contextlib.contextmanager
def operator(needs: Needs = ORDINARY, brokers: int = 1) -> Iterator[Operator]:
    """Start a platform with a load and its monitoring."""
    with watched_platform(needs, brokers) as (world, watched):
        desk = Operator(world, watched)
        with contextlib.closing(desk.shell):
            yield desk
