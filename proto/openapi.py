"""Generates the OpenAPI 3 document of the REST interface from the contracts."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

from contract_reader import Contracts, Message, Method, Service, example, prose
from openapi_schemas import Schema, field_schema, message_schema, schemas

# More generators of clients support 3.0 than 3.1.
OPENAPI_VERSION = "3.0.3"
INTRODUCTION = """\
Order processing, and metrics in which every event is counted exactly once. The same services are available over gRPC on
the same port, with reflection.

- Unknown fields of a JSON body are ignored; unknown query parameters are refused.
- A body must be JSON with `content-type: application/json` and without content coding, otherwise the status is 415.
- A field of the path must not be a query parameter or in the body, and a request with a body must not have query
  parameters, otherwise the status is 400.
- Every path that allows `GET` allows `HEAD`. A method that the path does not allow is 405 with `Allow`.
- 64-bit integers are strings, times are RFC 3339 in UTC, money is in major units with at most two decimals.
- A request body may name fields in `camelCase` or `snake_case`; responses use `camelCase` and have all scalar
  fields.
- Every error has the schema `Error`; `details[].reason` is one of `ErrorReason`.
- `code` is the gRPC status code. INVALID_ARGUMENT (3) and FAILED_PRECONDITION (9) are both HTTP status 400.
- With authentication on, a call needs a key or a token: `authorization: Bearer ...` or `x-api-key: ...`. The roles that
  may call a method are in `x-roles`; with `x-own-orders`, a customer is limited to its own orders. With authentication
  off, which is possible on loopback only, credentials are not needed.
"""
# As Envoy's transcoder makes the HTTP status of a gRPC code.
HTTP_STATUS = {3: "400", 4: "504", 5: "404", 6: "409", 7: "403", 8: "429", 9: "400", 13: "500", 14: "503", 16: "401"}
# Errors of the front proxy whose HTTP status differs from the one of their gRPC code.
FRONT_STATUS = {
    "METHOD_NOT_ALLOWED": "405",
    "REQUEST_TIMED_OUT": "408",
    "REQUEST_TOO_LARGE": "413",
    "UNSUPPORTED_MEDIA_TYPE": "415",
    "HOST_NOT_ALLOWED": "421",
}
RESPONSES = {
    "400": "The request is invalid (code 3), or the state does not allow it (code 9, FAILED_PRECONDITION).",
    "401": "There are no valid credentials; `WWW-Authenticate` names the scheme.",
    "403": "The role of the caller does not allow the call, or the request names another customer.",
    "404": "There is no such resource.",
    "409": "The resource exists, or the request id was already used with other content.",
    "405": "The path does not allow this method; `Allow` lists the allowed ones.",
    "408": "The request was not received completely in time.",
    "413": "The body exceeds the limit.",
    "415": "The body is compressed, or its content type is not JSON.",
    "421": "The host name of the request is not served.",
    "429": "Rate limit exceeded, or server overloaded; retry later.",
    "500": "Internal error.",
    "503": "A component is unavailable; retry later.",
    "504": "The deadline was exceeded.",
}
SECURITY_SCHEMES: Schema = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key (`om_...`) or a token (JWT)."},
    "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "A key (`om_...`)."},
}
EXAMPLES: dict[str, tuple[Any, Any]] = {
    "CreateOrder": (
        {
            "customerId": "cust-123",
            "items": [{"productId": "p1", "quantity": 2, "price": 10}, {"productId": "p2", "quantity": 1, "price": 50}],
        },
        {
            "orderId": "019cdf1a-7d00-7c3e-9d5b-0d8f4b1f6a52",
            "customerId": "cust-123",
            "status": "CREATED",
            "totalPrice": 70,
            "createdAt": "2026-03-11T22:00:00Z",
            "updatedAt": "2026-03-11T22:00:00Z",
            "items": [{"productId": "p1", "quantity": 2, "price": 10}, {"productId": "p2", "quantity": 1, "price": 50}],
        },
    ),
}
ERROR_REASON = "ordermesh.orders.v1.ErrorReason"
PATH_FIELD = re.compile(r"\{(\w+)\}")


def document(image: bytes) -> str:
    """Return the document as JSON text, from a FileDescriptorSet with comments."""
    contracts = Contracts(image)
    services = [service for service in contracts.services if any(method.bindings for method in service.methods)]
    methods = [method for service in services for method in service.methods]
    roots = {name for method in methods for name in (method.request, method.response)} | {ERROR_REASON}
    whole = {
        "openapi": OPENAPI_VERSION,
        "info": {"title": "ordermesh", "version": "v1", "description": INTRODUCTION},
        "servers": [{"url": "/"}],
        "tags": [{"name": service.name, "description": prose(service.comment)} for service in services],
        "paths": paths(contracts, services),
        "components": {
            "schemas": schemas(contracts, roots),
            "responses": error_responses(contracts),
            "securitySchemes": SECURITY_SCHEMES,
        },
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def paths(contracts: Contracts, services: list[Service]) -> Schema:
    """Return every REST binding as an operation, by path and verb."""
    found: dict[str, Schema] = {}
    for service in services:
        for method in service.methods:
            for number, (verb, template, body) in enumerate(method.bindings, start=1):
                made = operation(contracts, service, method, number, template, body)
                found.setdefault(_public_path(contracts.messages[method.request], template), {})[verb] = made
    return dict(sorted(found.items()))


def operation(contracts: Contracts, service: Service, method: Method, number: int, template: str, body: str) -> Schema:
    """Return one binding of a method as an operation."""
    request = contracts.messages[method.request]
    in_path = set(PATH_FIELD.findall(template))
    words = prose(method.comment)
    made: Schema = {
        "tags": [service.name],
        "operationId": method.name[0].lower() + method.name[1:] + (str(number) if number > 1 else ""),
        "summary": words.split(". ")[0].rstrip("."),
        "description": f"{words}\n\ngRPC: `{service.full_name}/{method.name}`",
        **_security(method),
        "parameters": _parameters(contracts, request, in_path, in_query=not body),
    }
    if body:
        made["requestBody"] = _request_body(contracts, request, method, in_path)
    made["responses"] = {"200": _reply(contracts, method, template)} | _errors(request, method, in_path, bool(body))
    return made


def _security(method: Method) -> Schema:
    """Return the credentials and roles of a method."""
    if method.access is None:
        raise ValueError(f"{method.name} does not state who may call it (ordermesh.options.v1.access)")
    own = {"x-own-orders": True} if method.access.own_orders else {}
    return {"security": [{name: []} for name in SECURITY_SCHEMES], "x-roles": list(method.access.roles), **own}


def _public_path(request: Message, template: str) -> str:
    """Return the path with its fields under their JSON names."""
    names = {field.descriptor.name: field.descriptor.json_name for field in request.fields}
    return PATH_FIELD.sub(lambda found: f"{{{names[found[1]]}}}", template)


def _parameters(contracts: Contracts, request: Message, in_path: set[str], *, in_query: bool) -> list[Schema]:
    made = []
    for field in request.fields:
        schema = field_schema(contracts, field)
        named = {"name": field.descriptor.json_name, "description": schema.pop("description")}
        if field.descriptor.name in in_path:
            made.append(named | {"in": "path", "required": True, "schema": schema})
        elif in_query:
            made.append(named | {"in": "query", "schema": schema})
    return made


def _request_body(contracts: Contracts, request: Message, method: Method, in_path: set[str]) -> Schema:
    left = tuple(field for field in request.fields if field.descriptor.name not in in_path)
    schema: Schema = {"$ref": f"#/components/schemas/{request.short_name}"}
    if len(left) < len(request.fields):
        schema = message_schema(contracts, replace(request, fields=left))
    media: Schema = {"schema": schema}
    if method.name in EXAMPLES:
        media["example"] = EXAMPLES[method.name][0]
    return {"required": True, "description": prose(request.comment), "content": {"application/json": media}}


def _reply(contracts: Contracts, method: Method, template: str) -> Schema:
    response = contracts.messages[method.response]
    schema: Schema = {"$ref": f"#/components/schemas/{response.short_name}"}
    words = prose(response.comment)
    if template.endswith(":watchLines"):
        words += " Each line is one such document."
        return {"description": words, "content": {"application/json": {"schema": schema}}}
    if method.server_streaming and method.name.startswith("Watch"):
        words += " The `data` of each server-sent event is one such document, its `id` is the revision."
        return {"description": words, "content": {"text/event-stream": {"schema": schema}}}
    if method.server_streaming:
        schema = {"type": "array", "items": schema}
    media: Schema = {"schema": schema}
    if method.name in EXAMPLES:
        media["example"] = EXAMPLES[method.name][1]
    return {"description": words, "content": {"application/json": media}}


def _errors(request: Message, method: Method, in_path: set[str], has_body: bool) -> Schema:
    """Return the error responses of a method, with a default for the others."""
    statuses = {"400", "401", "403", "405", "429", "500", "503", "504"}
    statuses |= {"404"} if in_path else set()
    statuses |= {"408", "413", "415"} if has_body else set()
    named = {field.descriptor.name for field in request.fields}
    statuses |= {"409"} if "request_id" in named or method.name.startswith("Create") else set()
    made: Schema = {status: {"$ref": f"#/components/responses/{status}"} for status in sorted(statuses)}
    return made | {"default": {"description": "Any other error.", "content": _error_content({})}}


def error_responses(contracts: Contracts) -> Schema:
    """Return the shared error responses, with the examples in the comments of ErrorReason."""
    examples: dict[str, Schema] = {status: {} for status in RESPONSES}
    for name, comment in contracts.enums[ERROR_REASON].values:
        if text := example(comment):
            body = json.loads(text)
            status = FRONT_STATUS.get(name) or HTTP_STATUS[body["code"]]
            examples[status][name] = {"summary": prose(comment), "value": body}
    return {
        status: {"description": words, "content": _error_content(examples[status])}
        for status, words in RESPONSES.items()
    }


def _error_content(examples: Schema) -> Schema:
    media: Schema = {"schema": {"$ref": "#/components/schemas/Error"}}
    return {"application/json": media | ({"examples": examples} if examples else {})}
