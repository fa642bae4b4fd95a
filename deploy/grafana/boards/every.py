"""Every dashboard, by the name of its file."""

from __future__ import annotations

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from boards.envoy import envoy
from boards.kafka import kafka
from boards.objectives import objectives
from boards.overview import overview
from boards.pipeline import pipeline
from boards.postgresql import postgresql
from boards.processes import processes

BOARDS = (overview, pipeline, envoy, postgresql, kafka, processes, objectives)


def files() -> dict[str, str]:
    """Return the JSON of each dashboard by the name of its file."""
    encoder = JSONEncoder(sort_keys=True, indent=2)
    return {f"{board.__name__}.json": encoder.encode(board()) + "\n" for board in BOARDS}
