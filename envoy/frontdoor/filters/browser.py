"""What keeps web pages of other sites out: Envoy's csrf filter, and the host names that are served (DNS rebinding)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from frontdoor.config import Config, extension, header_is, typed
from runtime.addresses import LOCAL_HOSTS

HSTS_SECONDS = 365 * 24 * 3600
CSRF = "envoy.filters.http.csrf"
# No browser sends these to another origin without a preflight request, which CORS answers for allowed origins only.
PREFLIGHTED = "(?i)application/(json|grpc).*"


def origins(hosts: Iterable[str]) -> str:
    """Return the pattern of the origins at host names, with any port."""
    names = "|".join(re.escape(host) for host in hosts)
    return rf"https?://({names})(:\d{{1,5}})?"


def csrf(hosts: Iterable[str]) -> Config:
    """Return the filter that refuses POST, PUT, PATCH and DELETE of pages of another origin.

    Requests without an origin are not from a page. Pages at the given hosts, with any port, may send what CORS lets
    them send; what needs no preflight request, as an empty body, only the pages of this very origin.
    """
    trusted = [header_matches("origin", origins(hosts)), header_matches("content-type", PREFLIGHTED)]
    no_page = {"not_matcher": header_matches("origin", ".+")}
    skipped = {"or_matcher": {"predicate": [no_page, {"and_matcher": {"predicate": trusted}}]}}
    skip = extension("skip", "envoy.extensions.filters.common.matcher.action.v3.SkipFilter")
    policy = typed(
        "envoy.extensions.filters.http.csrf.v3.CsrfPolicy", filter_enabled={"default_value": {"numerator": 100}}
    )
    return extension(
        CSRF,
        "envoy.extensions.common.matching.v3.ExtensionWithMatcher",
        extension_config={"name": CSRF, "typed_config": policy},
        xds_matcher={"matcher_list": {"matchers": [{"predicate": skipped, "on_match": {"action": skip}}]}},
    )


def strict_transport(hosts: Iterable[str]) -> list[Config]:
    """Return the filter that tells browsers to use HTTPS only (HSTS).

    Not for the names of this machine: browsers would apply it to every other server there.
    """
    names = "|".join(re.escape(host) for host in hosts if host not in LOCAL_HOSTS)
    if not names:
        return []
    ours = f"request.headers[':authority'].matches('(?i)^({names})(:[0-9]+)?$')".replace("\\", "\\\\")
    header = {"key": "strict-transport-security", "value": f"%CEL({ours} ? 'max-age={HSTS_SECONDS}' : '')%"}
    mutation = {"append": {"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}
    kind = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"
    return [extension("strict-transport", kind, mutations={"response_mutations": [mutation]})]


def no_sniffing() -> Config:
    """Return the filter that tells browsers to take a reply for what its content type says."""
    header = {"key": "x-content-type-options", "value": "nosniff"}
    mutation = {"append": {"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}
    kind = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"
    return extension("no-sniffing", kind, mutations={"response_mutations": [mutation]})


def header_matches(name: str, pattern: str) -> Config:
    """Return the predicate of requests whose header is present and matches a regular expression."""
    value = extension("header", "envoy.type.matcher.v3.HttpRequestHeaderMatchInput", header_name=name)
    return {"single_predicate": {"input": value, "value_match": {"safe_regex": {"google_re2": {}, "regex": pattern}}}}


def cross_site_subresource() -> list[Config]:
    """Match what a page of another site loads without asking, such as an image: nothing here is meant for that."""
    return [header_is("sec-fetch-site", exact="cross-site"), header_is("sec-fetch-mode", exact="no-cors")]
