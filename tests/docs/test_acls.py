"""The documented ACLs are those of the local Kafka."""

from __future__ import annotations

from guarded_kafka import documented_acls
from guide import DOCS

from runtime.kafka import access


def test_the_guide_names_the_acls_of_the_local_kafka_and_no_other() -> None:
    documented = list(documented_acls((DOCS / "how-to/own-servers.md").read_text()))
    assert len(documented) == len(set(documented))
    assert set(documented) == set(access.bindings("ordermesh-metrics"))
