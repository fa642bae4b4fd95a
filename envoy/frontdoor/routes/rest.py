"""The REST routes, derived from the contracts, and the refusals of what HTTP and google.api.http forbid."""

from __future__ import annotations

import re

from frontdoor import public_services
from frontdoor.config import Config, header_is
from frontdoor.filters import large_bodies
from frontdoor.filters.http_filters import BUFFER, EVENT_IDS, HEAD, REFUSE, TRANSCODER
from frontdoor.filters.transcoder import Stream, configuration
from frontdoor.policies import limits
from frontdoor.public_services import VARIABLE, Binding
from frontdoor.replies import JSON_ONLY
from frontdoor.routes.actions import ADMITTED_BY_DELAY, ON, body_limit, named, of_method, refusal, refuse, rest_route

BATCH_PATH = "/v1/orders:batchCreate"
# The end of the path selects the form of a stream: server-sent events or lines of JSON.
STREAMS: dict[str, tuple[Stream, str]] = {
    ":watch": ("events", "text/event-stream"),
    ":watchLines": ("lines", "application/json"),
}
LONG_LIST = r"[^?]*\?(.*&)?(pageSize|page_size)=0*[1-9][0-9]{2,}(&.*)?"
JSON_TYPE = r"(?i)application/json\s*(;.*)?"
NO_QUERY = "query parameters are not allowed: put every field that is not in the path into the body"
BAD_QUERY = "a query parameter must be name=value with a plain name, occur once and not name a field of the path"
GRPC_ONLY = "gRPC method: content-type must be application/grpc; see /docs for its REST path"
JSON_PLAIN = {"accept": "application/json", "accept-encoding": "identity"}
NO_QUERY_SIGN: Config = {**header_is(":path", contains="?"), "invert_match": True}
SMALL_BODY = header_is("content-length", safe_regex={"regex": "[0-9]{1,5}"})
NO_ENCODING: Config = {"name": "content-encoding", "present_match": False}


def path_routes() -> list[Config]:
    """Return the routes of every REST path. Paths without variables come first, because they are cheaper to match."""
    by_path: dict[str, list[Binding]] = {}
    for binding in public_services.bindings():
        by_path.setdefault(VARIABLE.sub("{}", binding.template), []).append(binding)
    return [
        route
        for shape, bindings in sorted(by_path.items(), key=lambda item: order(item[0]))
        for match in matches(shape)
        for route in routes_of(match, bindings)
    ]


def order(shape: str) -> tuple[bool, bool]:
    """Return the sort key of a path: paths with a verb come first, because a variable also matches a verb."""
    return "{}" in shape, ":" not in shape


def matches(shape: str) -> list[Config]:
    """Return the matches of a path, with and without a trailing slash."""
    if "{}" not in shape:
        return [{"path": shape}, {"path": f"{shape}/"}]
    return [{"safe_regex": {"regex": "[^/]+".join(re.escape(part) for part in shape.split("{}")) + "/?"}}]


def routes_of(match: Config, bindings: list[Binding]) -> list[Config]:
    """Return the routes of one path: one for each method it has, and 405 for the others."""
    routes = [
        of_method(each.method, named(route, f"{each.verb} {each.template}"))
        for each in bindings
        for route in (writes(match, each) if each.body else reads(match, each))
    ]
    allowed = [name for each in bindings for name in ([each.verb] if each.body else [each.verb, "HEAD"])]
    return [*routes, refusal(match, 405, headers={"allow": ", ".join(sorted(allowed))})]


def reads(match: Config, binding: Binding) -> list[Config]:
    """Return the routes of a method without a body: GET and HEAD."""
    asked = {**match, "headers": [header_is(":method", exact="GET")]}
    head = {**match, "headers": [header_is(":method", exact="HEAD")]}
    wrong = {**match, "headers": [header_is(":method", safe_regex={"regex": "GET|HEAD"}), *query(bad_query(binding))]}
    refused = refusal(wrong, 400, BAD_QUERY)
    for ending, (stream, content_type) in STREAMS.items():
        if binding.template.endswith(ending):
            # HEAD of a stream would last as long as the stream.
            answer = refusal(head, 200, headers={"content-type": content_type})
            ids = {EVENT_IDS: ON} if stream == "events" else {}
            return [refused, rest_route(asked, {TRANSCODER: configuration(stream=stream), **ids}), answer]
    long = {**match, "headers": [*asked["headers"], *query(LONG_LIST)]}
    lists = (
        [rest_route(long, large_bodies.long_list())] if "page_size" in {field.name for field in binding.fields} else []
    )
    return [refused, *lists, rest_route(asked, {}), rest_route(head, {HEAD: ON})]


def writes(match: Config, binding: Binding) -> list[Config]:
    """Return the routes of a method with a body: JSON or an empty body, and no query parameters."""
    method = header_is(":method", exact=binding.verb)
    plain = header_is("content-encoding", safe_regex={"regex": "(?i)(identity)?"})
    plain["treat_missing_header_as_empty"] = True
    typed = header_is("content-type", safe_regex={"regex": JSON_TYPE})
    untyped = {"name": "content-type", "present_match": False}
    batch = {BUFFER: body_limit(limits.BATCH_BODY_BYTES)} if binding.template == BATCH_PATH else {}
    if binding.method == public_services.CREATE_ORDER:
        batch = ADMITTED_BY_DELAY
    counted = {**batch, large_bodies.NAME: ON}
    # The common case; the following routes match regular expressions.
    usual = [method, NO_QUERY_SIGN, header_is("content-type", exact="application/json"), NO_ENCODING, SMALL_BODY]
    return [
        rest_route({**match, "headers": usual}, batch),
        refusal({**match, "headers": [method, *query(r"[^?]*\?.*[^&].*")]}, 400, NO_QUERY),
        rest_route({**match, "headers": [method, typed, plain]}, counted),
        rest_route(
            {**match, "headers": [method, untyped, plain]}, {REFUSE: refuse(415, JSON_ONLY, only_with_body=True)}
        ),
        refusal({**match, "headers": [method]}, 415, JSON_ONLY, headers=JSON_PLAIN),
    ]


def query(pattern: str) -> list[Config]:
    """Match a path with its query; the first match is cheap, and most requests have no query."""
    return [header_is(":path", contains="?"), header_is(":path", safe_regex={"regex": pattern})]


def bad_query(binding: Binding) -> str:
    """Return the pattern of queries with a parameter that has no name or value, is in the path, or occurs twice."""
    # The transcoder also decodes names, and no field name needs an encoding.
    forbidden = [r"[^&=]+(&.*)?", r"=.*", r"[^&=]*%[^&=]*=.*"]
    for field in binding.fields:
        name = f"({field.name}|{field.json_name})" if field.name != field.json_name else field.name
        if field.name in binding.in_path:
            forbidden.append(rf"{name}[.=].*")
        elif field.label != field.LABEL_REPEATED:
            forbidden.append(rf"{name}=.*&{name}=.*")
    return rf"[^?]*\?(.*&)?({'|'.join(forbidden)})"
