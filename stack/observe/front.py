"""The configuration of the observe front: an Envoy through which people reach what observes, with one login.

The front proxy of the platform is another process: neither disturbs the other.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import yaml
from frontdoor.clusters import discovery, endpoint
from frontdoor.config import Config, extension, header_is, seconds, typed
from frontdoor.filters.http_filters import BUFFER, FILTERS, router
from frontdoor.listeners import MANAGER, listener
from frontdoor.policies import limits
from frontdoor.render import PlainDumper
from frontdoor.values import Address

from runtime.addresses import LOCAL_HOSTS
from stack.machine.ports import LOOPBACK
from stack.observe.client_tls import CLIENT, CLIENT_KEY, SERVERS

USER = "observe"
TLS = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
REQUESTS_AT_A_TIME, REQUEST_SECONDS, BODY_BYTES = 64, 60.0, 1024 * 1024
FOR_ONESELF = 0o600
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>ordermesh: observe</title>
<style>body{font:16px/1.5 system-ui,sans-serif;margin:3rem auto;max-width:40rem;padding:0 1rem}</style>
<h1>ordermesh</h1><ul>{links}</ul></html>
"""


@dataclass(frozen=True)
class Site:
    """A program that people reach under a path: its address, its title, and the methods that are let through."""

    path: str
    address: Address
    title: str
    methods: str
    # Where the program has what people reach under the path: the same by default.
    inner: str = ""
    # What the link on the first page opens, below the path.
    opens: str = ""


@dataclass(frozen=True)
class FrontValues:
    """The values of one configuration: `sites` by cluster name."""

    listen: Address
    password: str
    admin: Path
    sites: Mapping[str, Site]
    # The folder of its client certificate; None where the programs are reached by trusted containers only.
    certificates: Path | None = None


def render(values: FrontValues) -> str:
    """Return Envoy's bootstrap configuration as YAML; it contains the digest of the password."""
    admin = {"address": {"pipe": {"path": str(values.admin), "mode": FOR_ONESELF}}}
    found = [cluster(name, site.address, values.certificates) for name, site in values.sites.items()]
    bootstrap = {
        "node": {"id": "observe-front", "cluster": "ordermesh"},
        "admin": admin,
        "memory_allocator_manager": limits.memory_release(),
        "static_resources": {"listeners": [people(values)], "clusters": found},
    }
    return yaml.dump(bootstrap, Dumper=PlainDumper, sort_keys=False, width=10_000)


def people(values: FrontValues) -> Config:
    """Return the listener for people: with the login, for host names of this machine, and not for pages of others."""
    manager = typed(
        MANAGER,
        stat_prefix="people",
        **limits.connection_options(),
        normalize_path=True,
        merge_slashes=True,
        path_with_escaped_slashes_action="REJECT_REQUEST",
        local_reply_config={"mappers": [one_login()]},
        route_config={
            "name": "people",
            "ignore_port_in_host_matching": True,
            "virtual_hosts": [
                {"name": "here", "domains": list(LOCAL_HOSTS), "routes": routes(values.sites)},
                {"name": "other hosts", "domains": ["*"], "routes": [answer(421, "no such host: use localhost\n")]},
            ],
            # The password is for us alone.
            "request_headers_to_remove": ["authorization"],
            "response_headers_to_remove": [f"access-control-allow-{name}" for name in ("origin", "methods", "headers")],
            "response_headers_to_add": [overwrite(*header) for header in PRIVATE_HEADERS.items()],
        },
        http_filters=[
            extension(
                "envoy.filters.http.basic_auth",
                "envoy.extensions.filters.http.basic_auth.v3.BasicAuth",
                users={"inline_string": htpasswd(values.password)},
            ),
            extension(BUFFER, f"{FILTERS}.buffer.v3.Buffer", max_request_bytes=BODY_BYTES),
            router(),
        ],
    )
    return listener("people", values.listen, manager)


PRIVATE_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
}


def one_login() -> Config:
    """Return the change of Envoy's challenge, whose realm is the address of each page: a browser asks only once."""
    runtime = {"default_value": 401, "runtime_key": "ordermesh.unauthorized"}
    comparison = {"op": "EQ", "value": runtime}
    challenge = overwrite("www-authenticate", f'Basic realm="ordermesh {USER}"')
    return {"filter": {"status_code_filter": {"comparison": comparison}}, "headers_to_add": [challenge]}


def htpasswd(password: str) -> str:
    """Return the user as Envoy reads it. SHA-1 is enough for 192 random bits."""
    digest = base64.b64encode(hashlib.sha1(password.encode(), usedforsecurity=False).digest()).decode()
    return f"{USER}:{{SHA}}{digest}"


def routes(sites: Mapping[str, Site]) -> list[Config]:
    """Return the routes: what a browser loads for a page of another site is refused, although it knows the login."""
    foreign = {"name": "sec-fetch-site", "string_match": {"safe_regex": {"regex": "cross-site|same-site"}}}
    not_a_link = header_is("sec-fetch-mode", exact="navigate") | {"invert_match": True}
    changed = header_is(":method", safe_regex={"regex": "GET|HEAD"}) | {"invert_match": True}
    refused = [
        answer(403, "not for pages of other sites\n", headers=[foreign, condition])
        for condition in (not_a_link, changed)
    ]
    links = "".join(f'<li><a href="{escape(site.path + site.opens)}">{site.title}</a>' for site in sites.values())
    page = answer(200, PAGE.replace("{links}", links), path="/")
    page["response_headers_to_add"] = [overwrite("content-type", "text/html; charset=utf-8")]
    opened = {"match": {"prefix": "/open/"}, "redirect": {"prefix_rewrite": "/", "response_code": "SEE_OTHER"}}
    led = [route for name, site in sites.items() for route in of_site(name, site)]
    return [*refused, page, opened, *led, missing()]


def of_site(name: str, site: Site) -> list[Config]:
    """Return the routes of one program."""
    allowed = [header_is(":method", safe_regex={"regex": site.methods})]
    route = {"cluster": name, "prefix_rewrite": site.inner or site.path, "timeout": seconds(REQUEST_SECONDS)}
    return [
        {"match": {"path": site.path.rstrip("/")}, "redirect": {"path_redirect": site.path, "response_code": "FOUND"}},
        {"match": {"prefix": site.path, "headers": allowed}, "route": route},
        {"match": {"prefix": site.path}, "direct_response": {"status": 405}},
    ]


def missing() -> Config:
    """Return the answer for every other path."""
    return {"match": {"prefix": "/"}, "direct_response": {"status": 404}}


def answer(status: int, text: str, *, path: str = "", headers: Sequence[Config] = ()) -> Config:
    """Return a route that answers itself."""
    match: Config = {"path": path} if path else {"prefix": "/"}
    return {
        "match": {**match, "headers": list(headers)},
        "direct_response": {"status": status, "body": {"inline_string": text}},
    }


def cluster(name: str, address: Address, certificates: Path | None) -> Config:
    """Return the cluster of a program."""
    return {
        "name": name,
        "connect_timeout": "1s",
        **discovery([address]),
        "per_connection_buffer_limit_bytes": limits.CONNECTION_BUFFER_BYTES,
        "circuit_breakers": breakers(REQUESTS_AT_A_TIME),
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint(address)]}]},
        **({} if certificates is None else {"transport_socket": tls(certificates)}),
    }


def tls(certificates: Path) -> Config:
    """Return the TLS towards a program, which must have a certificate of ours, and gets one."""
    pair = {
        "certificate_chain": {"filename": str(certificates / CLIENT)},
        "private_key": {"filename": str(certificates / CLIENT_KEY)},
    }
    trusted = {
        "trusted_ca": {"filename": str(certificates / SERVERS)},
        "match_typed_subject_alt_names": [{"san_type": "IP_ADDRESS", "matcher": {"exact": LOOPBACK}}],
    }
    context = {"tls_certificates": [pair], "validation_context": trusted}
    return extension("envoy.transport_sockets.tls", TLS, common_tls_context=context)


def breakers(number: int) -> Config:
    """Return the circuit breakers of a cluster: so many requests are sent or wait at a time."""
    return {"thresholds": [{"max_connections": number, "max_pending_requests": number, "max_requests": number}]}


def overwrite(key: str, value: str) -> Config:
    """Return the setting of a header; an empty value changes nothing."""
    return {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
