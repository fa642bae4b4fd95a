"""The two consumer group protocols, and the client properties of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

GroupProtocol = Literal["classic", "consumer"]
CLASSIC: Mapping[str, int] = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500}
# The broker's default assignor may assign all partitions of a topic to one member.
KIP_848: Mapping[str, str] = {"group.protocol": "consumer", "group.remote.assignor": "range"}
# With KIP-848 the broker sets these, and the client refuses them.
CLASSIC_ONLY = frozenset({*CLASSIC, "partition.assignment.strategy", "group.protocol.type"})
