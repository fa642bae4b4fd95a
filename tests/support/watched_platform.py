"""A platform under load with a Prometheus and an Alertmanager."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from monitoring import Monitoring, monitoring, targets

from faults.platform import platform
from faults.scenario import Needs
from faults.world import World

RATE_PER_SECOND = 10.0
ORDINARY = Needs()


@contextlib.contextmanager
def watched_platform(needs: Needs = ORDINARY, brokers: int = 1, **more: Any) -> Iterator[tuple[World, Monitoring]]:
    """Start a platform, its monitoring and a load; stop them at the end. `more` is as for `running_stack`."""
    with contextlib.ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="ordermesh-monitoring-")))
        world = held.enter_context(platform(needs, brokers, brief=True, **more))
        watched = held.enter_context(monitoring(folder, targets(world.stack)))
        world.customers.rate = RATE_PER_SECOND
        world.customers.start()
        held.callback(world.customers.stop)
        yield world, watched
