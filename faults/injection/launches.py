"""How the programs of a platform are started while a fault lasts: not at all, or with other variables."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from stack.running_stack import RunningStack

# The commands of components that have another name.
COMMANDS = {"postgres": "PostgreSQL", "envoy": "Envoy"}
BROKER = "Kafka"
# All brokers have the same command, each a folder of its own, in which it is started.
HELD = "held-down"
WHILE_HELD = ("/bin/sh", "-c", f'[ -e {HELD} ] && exit 1; exec "$@"', "sh")


class Launches:
    """A launcher of stack.processes.process.started_through."""

    def __init__(self) -> None:
        self._held: set[str] = set()
        self._variables: dict[str, dict[str, str]] = {}
        self._descriptors: dict[str, int] = {}
        # Programs that the brokers are started through.
        self.before_brokers: tuple[str, ...] = ()

    def __call__(self, name: str) -> Sequence[str]:
        """Return the prefix of a command."""
        if name == BROKER:
            return (*WHILE_HELD, *self.before_brokers)
        if name in self._held:
            return ("/usr/bin/env", "false")
        limit, variables = self._descriptors.get(name), self._variables.get(name, {})
        limited = () if limit is None else ("/bin/sh", "-c", f'ulimit -S -n {limit}; exec "$@"', "sh")
        given = ("/usr/bin/env", *(f"{key}={value}" for key, value in variables.items())) if variables else ()
        return (*limited, *given)

    def add_variables(self, component: str, variables: Mapping[str, str]) -> None:
        """Start a component with these variables too, from its next start on; they override its settings."""
        name = COMMANDS.get(component, component)
        self._variables[name] = {**self._variables.get(name, {}), **variables}

    def remove_variables(self, component: str, names: Collection[str]) -> None:
        """Start a component without these variables from its next start on."""
        name = COMMANDS.get(component, component)
        self._variables[name] = {key: value for key, value in self._variables[name].items() if key not in names}

    def limit_descriptors(self, component: str, limit: int | None) -> None:
        """Start a component with at most so many descriptors, from its next start on."""
        name = COMMANDS.get(component, component)
        if limit is None:
            del self._descriptors[name]
        else:
            self._descriptors[name] = limit

    @contextmanager
    def held_down(self, stack: RunningStack, component: str) -> Iterator[None]:
        """Kill a component, and let it not start again within the block."""
        if component.startswith("kafka"):
            marker = Path(f"/proc/{stack.pid(component)}/cwd").resolve() / HELD
            marker.touch()
        else:
            self._held.add(COMMANDS.get(component, component))
        try:
            stack.kill(component)
            yield
        finally:
            if component.startswith("kafka"):
                marker.unlink()
            else:
                self._held.discard(COMMANDS.get(component, component))
