"""The two protocols by which consumers share a group, and the client's properties that go with each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

GroupProtocol = Literal["classic", "consumer"]
CLASSIC: Mapping[str, int] = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 500}
# The broker's own choice may give one member all of one topic.
KIP_848: Mapping[str, str] = {"group.protocol": "consumer", "group.remote.assignor": "range"}
# With KIP-848 these are the broker's to say, and the client refuses them.
CLASSIC_ONLY = frozenset({*CLASSIC, "partition.assignment.strategy", "group.protocol.type"})
