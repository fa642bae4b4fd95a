"""Each metric of the registry is exported by the services that own it, and by no other; histograms lead to traces."""

from __future__ import annotations

import re
import secrets

import pytest
from front_proxy import ITEM, Platform, curl
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
        owned = {metric.name for metric in catalogue() if service in SERVICES[metric.component]}
        await_true(
            lambda service=service, owned=owned: exported(platform, service) >= owned,
            f"{service} exports {sorted(owned - exported(platform, service))}",
        )
        assert exported(platform, service) == owned, service


@pytest.mark.parametrize(
    ("service", "histogram"),
    [
        ("orders", "ordermesh_rpc_server_call_duration_seconds"),
        ("publisher", "ordermesh_publish_delay_seconds"),
        ("processor", "ordermesh_event_delay_seconds"),
    ],
)
def test_a_sampled_order_is_an_exemplar_of_each_stage(platform: Platform, service: str, histogram: str) -> None:
    trace_id = secrets.token_hex(16)
    traceparent = f"traceparent: 00-{trace_id}-{secrets.token_hex(8)}-01"
    platform.post("/orders", {"customerId": "cust-exemplar", "items": [ITEM]}, "-H", traceparent)
    address = platform.stack.component(service).address

    def shown() -> bool:
        text = curl(address, "-H", "accept: application/openmetrics-text; version=1.0.0").body.decode()
        return bool(re.search(rf'^{histogram}_bucket\{{.*\}} \S+ # \{{trace_id="{trace_id}"\}}', text, re.MULTILINE))

    await_true(shown, f"{histogram} of {service} shows the trace")
    assert trace_id not in curl(address).body.decode()
