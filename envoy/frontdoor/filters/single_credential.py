"""A request has one credential in one of its places: what an identity is made of never comes from two."""

from __future__ import annotations

import itertools

from frontdoor.config import Config, extension, typed
from frontdoor.filters.browser import header_matches
from frontdoor.policies.identity import KEY_HEADER, SESSION_COOKIE, Identity

ONE_CREDENTIAL, SPELLING = "one-credential", "bearer-spelling"
AUTHORIZATION = "authorization"
# Several headers of a name are one value with commas here. In rules of RBAC each would be compared alone.
BEARER = r"(?i)bearer [!-+\--~]+"
CANONICAL_SCRIPT = """\
function envoy_on_request(handle)
  local headers = handle:headers()
  headers:replace("authorization", "Bearer " .. headers:get("authorization"):sub(8))
end
"""


def single_credential(identity: Identity) -> list[Config]:
    """Return the filters that refuse a request with several credentials, or with another scheme than Bearer."""
    if identity is None:
        return []
    refused = any_of(*several(), malformed())
    matcher = {
        "matcher_list": {"matchers": [{"predicate": refused, "on_match": action("DENY")}]},
        "on_no_match": action("ALLOW"),
    }
    rbac = extension(ONE_CREDENTIAL, "envoy.extensions.filters.http.rbac.v3.RBAC", matcher=matcher)
    return [rbac, canonical_spelling()]


def several() -> list[Config]:
    """Match a request with credentials in two places, or two in one of them."""
    places = [has(AUTHORIZATION), has(KEY_HEADER), header_matches("cookie", f".*{SESSION_COOKIE}.*")]
    twice = [header_matches("cookie", f".*{SESSION_COOKIE}.*{SESSION_COOKIE}.*"), header_matches(KEY_HEADER, ".*,.*")]
    return [*twice, *(all_of(*pair) for pair in itertools.combinations(places, 2))]


def malformed() -> Config:
    """Match an authorization that is not the scheme Bearer with one credential."""
    return all_of(has(AUTHORIZATION), {"not_matcher": header_matches(AUTHORIZATION, BEARER)})


def has(name: str) -> Config:
    """Match a request with a header."""
    return header_matches(name, ".*")


def any_of(*predicates: Config) -> Config:
    """Match a request that one of the predicates matches."""
    return {"or_matcher": {"predicate": list(predicates)}}


def all_of(*predicates: Config) -> Config:
    """Match a request that all predicates match."""
    return {"and_matcher": {"predicate": list(predicates)}}


def action(kind: str) -> Config:
    """Return what is done with a request; the reply to one that is refused names the filter."""
    made = typed("envoy.config.rbac.v3.Action", name=ONE_CREDENTIAL, action=kind)
    return {"action": {"name": "action", "typed_config": made}}


def canonical_spelling() -> Config:
    """Return the filter that spells the scheme, which has no case (RFC 9110), as the filter of keys wants it.

    It runs for other spellings only.
    """
    canonical, any_case = (header_matches(AUTHORIZATION, each) for each in ("Bearer .*", "(?i)bearer .*"))
    needless = any_of(canonical, {"not_matcher": any_case})
    skip = extension("skip", "envoy.extensions.filters.common.matcher.action.v3.SkipFilter")
    script = {"inline_string": CANONICAL_SCRIPT}
    return extension(
        SPELLING,
        "envoy.extensions.common.matching.v3.ExtensionWithMatcher",
        extension_config=extension(SPELLING, "envoy.extensions.filters.http.lua.v3.Lua", default_source_code=script),
        xds_matcher={"matcher_list": {"matchers": [{"predicate": needless, "on_match": {"action": skip}}]}},
    )
