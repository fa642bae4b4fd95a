"""Counts requests as their clients see them: by RPC method, whoever answered, with the time until the end of the reply.

Written by an access logger, which sees every request once. The filter for gRPC statistics sees only those that all
filters before it let pass. The method is the name of the route, of which there are as many as methods: clients
must not be able to create statistics.
"""

from __future__ import annotations

from frontdoor import replies
from frontdoor.config import Config, extension

PREFIX = "ordermesh"


def request_statistics() -> list[Config]:
    """Return the access loggers; the code is a gRPC code for gRPC, also over gRPC-Web, and an HTTP status for REST."""
    return [
        statistics(replies.asked_over_grpc(), "grpc", "%GRPC_STATUS(SNAKE_STRING)%"),
        statistics(replies.asked_over_rest(), "rest", "%RESPONSE_CODE%"),
    ]


def statistics(asked: Config, protocol: str, code: str) -> Config:
    """Return the access logger of requests of a kind."""
    tags = {"rpc_method": "%ROUTE_NAME%", "protocol": protocol, "code": code}
    labels = [{"name": name, "value_format": value} for name, value in tags.items()]
    log = extension(
        "envoy.access_loggers.stats",
        "envoy.extensions.access_loggers.stats.v3.Config",
        stats_scope={"prefix": PREFIX},
        counters=[{"stat": {"name": "requests_total", "tags": labels}, "value_fixed": 1}],
        histograms=[
            {
                "stat": {"name": "request_duration_ms", "tags": labels},
                "unit": "Milliseconds",
                "value_format": "%DURATION%",
            }
        ],
    )
    return {**log, "filter": asked}
