"""F19: each connection is slow, cut, silent or half open."""

from __future__ import annotations

from collections.abc import Callable

from faults.injection.network import CLIENTS_OF_KAFKA, CLIENTS_OF_POSTGRES, each_toxic
from faults.load import timeline
from faults.scenario import Needs, scenario
from faults.world import World

PAIRS = (
    "clients-envoy",
    *(f"{name}-postgres" for name in CLIENTS_OF_POSTGRES),
    *(f"{name}-kafka" for name in CLIENTS_OF_KAFKA),
)


def toxics_of(pair: str) -> Callable[[World], None]:
    """Return the scenario of a pair."""

    def run(world: World) -> None:
        proxy = world.network.pairs()[pair]
        with world.fault():
            begun = world.injected_at
            for name in each_toxic(proxy, world.seconds(8, 4), world.seconds(6, 3)):
                calls = world.journal.since(begun)
                worst = timeline.worst_ms([call for call in calls if call.ended_at])
                world.notes[f"worst before {name} (ms)"] = worst

    run.__doc__ = f"Between {pair.replace('-', ' and ')}: +200 ms, resets, half open, 10 KB/s, silence either way."
    return run


for each in PAIRS:
    scenario(f"F19.{each}", Needs(proxies=True))(toxics_of(each))
