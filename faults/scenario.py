"""Scenarios by name: a fault of the table with what is done to a platform that is under load."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

from faults.world import World


@dataclass(frozen=True)
class Needs:
    """How the platform of a scenario differs from an ordinary one. Scenarios with the same needs share it."""

    # Proxies between each pair of its parts.
    proxies: bool = False
    # The state folder on a disk of its own, which can be filled; needs root.
    small_disk: bool = False
    # A clock that can be moved in one service.
    moved_clock: bool = False
    # A platform of its own: what is done cannot be undone.
    alone: bool = False


@dataclass(frozen=True)
class Scenario:
    """One scenario; `run` returns when what was broken is repaired."""

    name: str
    what: str
    run: Callable[[World], None]
    needs: Needs
    # In the selection for CI.
    selected: bool = False

    @property
    def fault(self) -> str:
        """The number of the fault in the table, such as F12."""
        return self.name.partition(".")[0]


SCENARIOS: dict[str, Scenario] = {}


def scenario(
    name: str, needs: Needs = Needs(), *, selected: bool = False
) -> Callable[[Callable[[World], None]], Callable[[World], None]]:
    """Register a function as a scenario; its docstring says what happens."""

    def register(run: Callable[[World], None]) -> Callable[[World], None]:
        what = (run.__doc__ or "").strip().splitlines()[0]
        SCENARIOS[name] = Scenario(name, what, run, needs, selected)
        return run

    return register


def load_all() -> dict[str, Scenario]:
    """Import all modules of scenarios and return the scenarios by name, in the order of the table."""
    package = importlib.import_module("faults.scenarios")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"faults.scenarios.{module.name}")
    return dict(sorted(SCENARIOS.items(), key=lambda item: (int(item[1].fault[1:]), item[0])))
