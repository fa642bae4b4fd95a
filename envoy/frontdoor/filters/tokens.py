"""JSON web tokens: their verification by Envoy, and the caller that their claims state."""

from __future__ import annotations

from frontdoor import clusters
from frontdoor.config import Config, extension, header_is
from frontdoor.policies.identity import CLIENT_HEADER, SESSION_COOKIE, Tokens
from runtime.authentication import OWN_ISSUER
from runtime.identity.caller import ROLES

SOUND, CALLER = "sound-token", "caller"
# What is refused besides: a header field that has to be understood (RFC 7515, 4.1.11), another audience, which Envoy
# compares without its scheme and a slash at its end, and claims that are no caller.
UNSOUND, NO_CALLER = "unsound-token", "no-caller"
JWT = "envoy.filters.http.jwt_authn"
# Of the claims of a verified token; removed again.
ROLE_HEADER, SUBJECT_HEADER = "x-ordermesh-role", "x-ordermesh-subject"
# Names of the providers, and of the header of a token, in the metadata of a request.
ISSUER, OWN, HEADER = "issuer", "own", "header"
CLOCK_SKEW_SECONDS = 60
JWKS_CACHE = "300s"
CACHED_TOKENS = 10_000


def verification(name: str, identity: Tokens) -> Config:
    """Return the filter that refuses a call without a valid token of one of the issuers."""
    providers = {ISSUER: provider(ISSUER, identity.issuer, identity.audience, identity.role_claim, keys(identity))}
    if identity.own_jwks:
        own = {"local_jwks": {"filename": identity.own_jwks}}
        providers[OWN] = provider(OWN, OWN_ISSUER, OWN_ISSUER, "role", own)
    known = [{"provider_name": each} for each in providers]
    required = known[0] if len(known) == 1 else {"requires_any": {"requirements": known}}
    return extension(
        name,
        "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        providers=providers,
        rules=[{"match": {"prefix": "/"}, "requires": required}],
    )


def provider(name: str, issuer: str, audience: str, role_claim: str, keys: Config) -> Config:
    """Return an issuer: its keys, what a token must state, and where tokens are sent."""
    return {
        "issuer": issuer,
        "audiences": [audience],
        **keys,
        "require_expiration": True,
        "clock_skew_seconds": CLOCK_SKEW_SECONDS,
        # A signature is verified once; the times of a token are compared at each call.
        "jwt_cache_config": {"jwt_cache_size": CACHED_TOKENS},
        "header_in_metadata": HEADER,
        "payload_in_metadata": name,
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


def sound(identity: Tokens) -> Config:
    """Return the filter that refuses a verified token for what Envoy does not check of it."""
    audiences = [audience_is(ISSUER, identity.audience)]
    if identity.own_jwks:
        audiences += [audience_is(OWN, OWN_ISSUER)]
    critical = stated([HEADER, "crit"], {"present_match": True})
    role = header_is(ROLE_HEADER, safe_regex={"regex": "|".join(ROLES)})
    subject = header_is(SUBJECT_HEADER, safe_regex={"regex": "[!-~]+"})
    unsound = any_of(critical, {"not_rule": any_of(*audiences)})
    no_caller = any_of({"not_rule": {"header": role}}, {"not_rule": {"header": subject}})
    refused = {
        name: {"permissions": [each], "principals": [{"any": True}]}
        for name, each in ((UNSOUND, unsound), (NO_CALLER, no_caller))
    }
    rules = {"action": "DENY", "policies": refused}
    return extension(SOUND, "envoy.extensions.filters.http.rbac.v3.RBAC", rules=rules)


def audience_is(provider: str, audience: str) -> Config:
    """Match a token of a provider for an audience, its only one or one of a list."""
    exact = {"string_match": {"exact": audience}}
    return any_of(stated([provider, "aud"], exact), stated([provider, "aud"], {"list_match": {"one_of": exact}}))


def any_of(*rules: Config) -> Config:
    """Match a request that one of the rules matches."""
    return {"or_rules": {"rules": list(rules)}}


def stated(path: list[str], value: Config) -> Config:
    """Match what a verified token states."""
    return {"metadata": {"filter": JWT, "path": [{"key": each} for each in path], "value": value}}


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
