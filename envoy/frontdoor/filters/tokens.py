"""JSON web tokens: their verification by Envoy, and the caller that their claims state."""

from __future__ import annotations

from frontdoor import clusters
from frontdoor.config import Config, extension
from frontdoor.policies.identity import CLIENT_HEADER, SESSION_COOKIE, Tokens
from runtime.authentication import OWN_ISSUER

CALLER = "caller"
# Of the claims of a verified token; removed again.
ROLE_HEADER, SUBJECT_HEADER = "x-ordermesh-role", "x-ordermesh-subject"
CLOCK_SKEW_SECONDS = 60
JWKS_CACHE = "300s"
CACHED_TOKENS = 10_000


def verification(name: str, identity: Tokens) -> Config:
    """Return the filter that refuses a call without a valid token of one of the issuers."""
    providers = {"issuer": provider(identity.issuer, identity.audience, identity.role_claim, keys(identity))}
    if identity.own_jwks:
        own = {"local_jwks": {"filename": identity.own_jwks}}
        providers["own"] = provider(OWN_ISSUER, OWN_ISSUER, "role", own)
    known = [{"provider_name": each} for each in providers]
    required = known[0] if len(known) == 1 else {"requires_any": {"requirements": known}}
    return extension(
        name,
        "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        providers=providers,
        rules=[{"match": {"prefix": "/"}, "requires": required}],
    )


def provider(issuer: str, audience: str, role_claim: str, keys: Config) -> Config:
    """Return an issuer: its keys, what a token must state, and where tokens are sent."""
    return {
        "issuer": issuer,
        "audiences": [audience],
        **keys,
        "require_expiration": True,
        "clock_skew_seconds": CLOCK_SKEW_SECONDS,
        # A signature is verified once; the times of a token are compared at each call.
        "jwt_cache_config": {"jwt_cache_size": CACHED_TOKENS},
        "from_headers": [{"name": "authorization", "value_prefix": "Bearer "}],
        "from_cookies": [SESSION_COOKIE],
        "claim_to_headers": [
            {"header_name": ROLE_HEADER, "claim_name": role_claim},
            {"header_name": SUBJECT_HEADER, "claim_name": "sub"},
        ],
    }


def keys(identity: Tokens) -> Config:
    """Return the source of the issuer's keys; those of an address are fetched before the first call."""
    if identity.address is None:
        return {"local_jwks": {"filename": identity.jwks}}
    return {
        "remote_jwks": {
            "http_uri": {"uri": identity.jwks, "cluster": clusters.JWKS, "timeout": "5s"},
            "cache_duration": JWKS_CACHE,
            "async_fetch": {"fast_listener": True},
        }
    }


def caller() -> Config:
    """Return the filter that states the caller from the claims, as API keys do."""
    stated = {"header": {"key": CLIENT_HEADER, "value": f"%REQ({ROLE_HEADER})%:%REQ({SUBJECT_HEADER})%"}}
    return extension(
        CALLER,
        "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
        mutations={
            "request_mutations": [
                {"append": {**stated, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}},
                {"remove": ROLE_HEADER},
                {"remove": SUBJECT_HEADER},
            ]
        },
    )
