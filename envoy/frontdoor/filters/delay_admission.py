"""Admission of new orders by delay: above the share of a client, what would wait too long is refused at once.

Each client may always place `limits.SHARE_PER_SECOND` orders. Of those above, as many are let through at a time as
keep the delay of half of them below `limits.ORDER_DELAY_SECONDS`; a longer queue would only add to every delay. The
whole request has been received by then, and nothing was done for it yet.
"""

from __future__ import annotations

from frontdoor.config import Config, extension, seconds, typed
from frontdoor.filters import rate_limits
from frontdoor.policies import limits

# Both are disabled except on routes that enable them.
SHARE, ADMISSION = "share", "delay-admission"
# Set by the first for the second.
OVER_SHARE = "x-ordermesh-over-share"
# Part of Envoy's details of a response that was refused.
REFUSED = "reached_concurrency_limit"
TOO_MANY_REQUESTS = 429


def filters() -> list[Config]:
    """Return the filter that marks calls above the share of their client, and the one that admits these by delay."""
    return [
        {
            "name": SHARE,
            "typed_config": rate_limits.marking(SHARE, limits.SHARE_PER_SECOND, OVER_SHARE),
            "disabled": True,
        },
        {"name": ADMISSION, "typed_config": admission(), "disabled": True},
    ]


def admission() -> Config:
    """Return the admission by delay, for calls that are marked."""
    marked = {"single_predicate": {"input": header_input(OVER_SHARE), "value_match": {"exact": "1"}}}
    skip = extension("skip", "envoy.extensions.filters.common.matcher.action.v3.SkipFilter")
    unmarked = {"predicate": {"not_matcher": marked}, "on_match": {"action": skip}}
    return typed(
        "envoy.extensions.common.matching.v3.ExtensionWithMatcher",
        xds_matcher={"matcher_list": {"matchers": [unmarked]}},
        extension_config=extension(
            "envoy.filters.http.adaptive_concurrency",
            "envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency",
            gradient_controller_config=controller(),
            concurrency_limit_exceeded_status={"code": TOO_MANY_REQUESTS},
        ),
    )


def controller() -> Config:
    """Return how the number of calls at a time follows their delay, ten times a second."""
    return {
        "sample_aggregate_percentile": {"value": limits.ORDER_DELAY_PERCENTILE},
        "concurrency_limit_params": {
            "max_concurrency_limit": limits.MOST_ORDERS_AT_A_TIME,
            "concurrency_update_interval": "0.1s",
        },
        # Measured delays without load would let nearly nothing through while they are measured.
        "min_rtt_calc_params": {
            "fixed_value": seconds(limits.ORDER_DELAY_SECONDS),
            "min_concurrency": limits.LEAST_ORDERS_AT_A_TIME,
            "buffer": {"value": 0},
        },
    }


def header_input(name: str) -> Config:
    """Return the input of a matcher: a header of the request."""
    return extension("header", "envoy.type.matcher.v3.HttpRequestHeaderMatchInput", header_name=name)
