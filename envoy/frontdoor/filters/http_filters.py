"""The HTTP filters of the front listener, in the order of requests; responses pass them in reverse."""

from __future__ import annotations

from frontdoor import clusters
from frontdoor.config import Config, extension, header_is, percent
from frontdoor.filters import (
    authentication,
    browser,
    delay_admission,
    large_bodies,
    rate_limits,
    single_credential,
    tracing,
    transcoder,
)
from frontdoor.policies import limits
from frontdoor.values import EnvoyValues

FILTERS = "envoy.extensions.filters.http"
HEALTH_PATH = "/healthz"
TRANSCODER = "envoy.filters.http.grpc_json_transcoder"
BUFFER = "envoy.filters.http.buffer"
CORS = "envoy.filters.http.cors"
HEADERS = "envoy.filters.http.header_mutation"
# Disabled except on routes that enable them, so that other requests do not pay for them.
REFUSE, HEAD, EVENT_IDS = "refuse", "head", "event-ids"
# The whole request is read first: some clients treat an earlier response as a broken connection.
REFUSE_SCRIPT = """\
function envoy_on_request(handle)
  local context = handle:filterContext()
  local status, text, only_with_body = context:get("status"), context:get("text"), context:get("only_with_body")
  local body = handle:body()
  if only_with_body and (body == nil or body:length() == 0) then
    return
  end
  -- A header mutation of the route would also apply to responses that are no refusals.
  local reply = {[":status"] = status}
  if only_with_body then
    reply["accept"], reply["accept-encoding"] = "application/json", "identity"
  end
  handle:respond(reply, text)
end
"""
# Envoy sends the transcoded body also in response to HEAD.
HEAD_SCRIPT = """\
function envoy_on_response(handle)
  for chunk in handle:bodyChunks() do
    chunk:setBytes("")
  end
end
"""
# The transcoder writes server-sent events without ids. Quotes within JSON strings are escaped, so the pattern matches
# only at the start of an event; a chunk holds whole events.
EVENT_IDS_SCRIPT = """\
function envoy_on_response(handle)
  for chunk in handle:bodyChunks() do
    local events, found = chunk:getBytes(0, chunk:length()):gsub('data: {"revision":"([^"]*)"', 'id: %1\\n%0')
    if found > 0 then
      chunk:setBytes(events)
    end
  end
end
"""


def http_filters(values: EnvoyValues) -> list[Config]:
    """Return the filters of the front listener."""
    return [
        tracing.echo(),
        browser.no_sniffing(),
        *(browser.strict_transport(values.hosts) if values.tls else []),
        extension(CORS, f"{FILTERS}.cors.v3.Cors"),
        browser.csrf(values.hosts),
        extension("envoy.filters.http.grpc_web", f"{FILTERS}.grpc_web.v3.GrpcWeb"),
        health_check(),
        *single_credential.single_credential(values.identity),
        *authentication.credentials(values.identity),
        rate_limits.rate_limit(values.rate_limits),
        large_bodies.large_bodies(),
        script(REFUSE, REFUSE_SCRIPT),
        script(HEAD, HEAD_SCRIPT),
        script(EVENT_IDS, EVENT_IDS_SCRIPT),
        # Before the transcoder, so that a body that is too large is refused before it is parsed as JSON.
        extension(BUFFER, f"{FILTERS}.buffer.v3.Buffer", max_request_bytes=limits.BODY_BYTES),
        *delay_admission.filters(),
        {"name": TRANSCODER, "typed_config": transcoder.configuration()},
        *authentication.roles(values.identity),
        router(),
    ]


def script(name: str, source: str) -> Config:
    """Return a Lua filter that is disabled unless a route enables it."""
    return {
        **extension(name, f"{FILTERS}.lua.v3.Lua", default_source_code={"inline_string": source}),
        "disabled": True,
    }


def router() -> Config:
    """Return the last filter, which sends the request upstream."""
    return extension("envoy.filters.http.router", f"{FILTERS}.router.v3.Router")


def health_check() -> Config:
    """Return the filter for /healthz: 200 while every service has a healthy endpoint, else 503."""
    return extension(
        "envoy.filters.http.health_check",
        f"{FILTERS}.health_check.v3.HealthCheck",
        pass_through_mode=False,
        headers=[
            header_is(":path", exact=HEALTH_PATH),
            header_is(":method", safe_regex={"regex": "GET|HEAD"}),
        ],
        cluster_min_healthy_percentages={
            name: percent(1) for name in (clusters.ORDERS, clusters.ANALYTICS, clusters.GATEWAY)
        },
    )
