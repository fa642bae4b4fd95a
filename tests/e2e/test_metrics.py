"""Each metric of the registry is exported by the services that own it, and by no other."""

from __future__ import annotations

import re

from front_proxy import Platform, curl
from waiting import await_true

from runtime.telemetry.metrics import catalogue
from runtime.telemetry.metrics.component_metric import SERVICES


def exported(platform: Platform, service: str) -> set[str]:
    """Return the names of our metrics that a service exports."""
    text = curl(platform.stack.component(service).address).body.decode()
    return set(re.findall(r"^# TYPE (ordermesh_\w+) ", text, re.MULTILINE))


def test_each_service_exports_the_metrics_that_it_owns_and_no_others(platform: Platform) -> None:
    platform.order("cust-owned")
    platform.curl("/v1/analytics/sales-summary")
    platform.curl("/v1/pipeline/status")
    for service in SERVICES["service"]:
        # The platform of these tests sends no spans.
        expected = (metric for metric in catalogue() if metric.component != "tracing")
        owned = {metric.name for metric in expected if service in SERVICES[metric.component]}
        await_true(
            lambda service=service, owned=owned: exported(platform, service) >= owned,
            f"{service} exports {sorted(owned - exported(platform, service))}",
        )
        assert exported(platform, service) == owned, service
