"""How the programs connect to Kafka: its address, and what authenticates them."""

from __future__ import annotations

import json
import os

PROPERTIES: dict[str, str] = json.loads(os.environ["PEER_KAFKA_PROPERTIES"])
BOOTSTRAP = os.environ["PEER_KAFKA_BOOTSTRAP"]
USER, PASSWORD = PROPERTIES["sasl.username"], PROPERTIES["sasl.password"]
# For confluent-kafka.
KAFKA = {"bootstrap.servers": BOOTSTRAP, **PROPERTIES}
