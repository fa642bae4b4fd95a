"""Rate limits by client: the caller that was authenticated, without authentication the address of the connection."""

from __future__ import annotations

from collections.abc import Mapping

from frontdoor.config import Config, header_is, typed
from frontdoor.policies import limits
from frontdoor.policies.identity import CLIENT_HEADER

NAME = "envoy.filters.http.local_ratelimit"
MESSAGE = "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
# Without authentication there is no role; it is allowed on loopback only.
NOBODY = "none"
ROLES = (NOBODY, "operator", "customer", "analyst")


def rate_limit(per_second: Mapping[str, int]) -> Config:
    """Return the filter with one token bucket for each client, of as many tokens as its role has a second."""
    return {"name": NAME, "typed_config": buckets("front", {role: (rate, rate) for role, rate in per_second.items()})}


def of_pages() -> Config:
    """Return the limit of pages on a route: of a client's downloads, only few can be unread at a time."""
    return {NAME: buckets("pages", dict.fromkeys(ROLES, (limits.PAGES_AT_ONCE, limits.PAGES_PER_SECOND)))}


def marking(name: str, per_second: int, header: str) -> Config:
    """Return a filter that sets a header in the requests of a client above a rate, and lets them pass."""
    marked = {"header": {"key": header, "value": "1"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    return {
        **buckets(name, dict.fromkeys(ROLES, (per_second, per_second))),
        "filter_enforced": {"default_value": {"numerator": 0}},
        "request_headers_to_add_when_not_enforced": [marked],
        "enable_x_ratelimit_headers": "OFF",
        "enable_retry_after_header": False,
    }


def buckets(name: str, rates: Mapping[str, tuple[int, int]]) -> Config:
    """Return token buckets by role, each with its size and what is filled in a second; Envoy enforces if told to."""
    return typed(
        MESSAGE,
        stat_prefix=name,
        token_bucket=bucket(*max(rates.values())),
        always_consume_default_token_bucket=False,
        filter_enabled={"default_value": {"numerator": 100}},
        filter_enforced={"default_value": {"numerator": 100}},
        rate_limits=[{"actions": actions(role)} for role in rates],
        descriptors=[
            {"entries": [{"key": "role", "value": role}, {"key": client_key(role)}], "token_bucket": bucket(*rate)}
            for role, rate in rates.items()
        ],
        max_dynamic_descriptors=limits.RATE_LIMITED_CLIENTS,
        rate_limited_as_resource_exhausted=True,
        enable_x_ratelimit_headers="DRAFT_VERSION_03",
        enable_retry_after_header=True,
    )


def actions(role: str) -> list[Config]:
    """Return the actions that describe a client of a role; a client of another role has no such descriptor."""
    if role == NOBODY:
        known: Config = {"expect_match": False, "headers": [{"name": CLIENT_HEADER, "present_match": True}]}
        client: Config = {"remote_address": {}}
    else:
        known = {"headers": [header_is(CLIENT_HEADER, prefix=f"{role}:")]}
        client = {"request_headers": {"header_name": CLIENT_HEADER, "descriptor_key": client_key(role)}}
    return [{"header_value_match": {"descriptor_key": "role", "descriptor_value": role, **known}}, client]


def client_key(role: str) -> str:
    """Return the key of the descriptor's entry that tells clients of a role apart."""
    return "remote_address" if role == NOBODY else "client"


def bucket(size: int, per_second: int) -> Config:
    """Return a token bucket."""
    return {"max_tokens": size, "tokens_per_fill": per_second, "fill_interval": "1s"}
