"""Generates the JSON schemas of messages and enums, in the form of Envoy's transcoder."""

from __future__ import annotations

from typing import Any

import field_rule_docs
from contract_reader import Contracts, Enum, Field, Message, prose
from google.protobuf import descriptor_pb2 as pb

Schema = dict[str, Any]
Kind = pb.FieldDescriptorProto

# 64-bit integers are strings in protobuf's JSON: a JavaScript number would lose digits.
SCALARS: dict[int, Schema] = {
    Kind.TYPE_STRING: {"type": "string"},
    Kind.TYPE_BOOL: {"type": "boolean"},
    Kind.TYPE_BYTES: {"type": "string", "format": "byte"},
    Kind.TYPE_DOUBLE: {"type": "number", "format": "double"},
    Kind.TYPE_INT32: {"type": "integer", "format": "int32"},
    Kind.TYPE_INT64: {"type": "string", "format": "int64"},
}
WELL_KNOWN: dict[str, Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.rpc.Status": {"$ref": "#/components/schemas/Error"},
}

ERROR: Schema = {
    "type": "object",
    "description": "A google.rpc.Status: why a call failed.",
    "required": ["code", "message"],
    "properties": {
        "code": {"type": "integer", "format": "int32", "description": "The gRPC status code, not the HTTP one."},
        "message": {"type": "string", "description": "The error as text."},
        "details": {
            "type": "array",
            "description": "One google.rpc.ErrorInfo, and BadRequest or RetryInfo if they apply.",
            "items": {
                "type": "object",
                "required": ["@type"],
                "properties": {
                    "@type": {
                        "type": "string",
                        "description": "The type of the detail, such as type.googleapis.com/google.rpc.ErrorInfo.",
                    },
                    "reason": {"$ref": "#/components/schemas/ErrorReason"},
                },
                "additionalProperties": True,
            },
        },
    },
}


def schemas(contracts: Contracts, roots: set[str]) -> dict[str, Schema]:
    """Return the schemas of these messages and of all nested types, by short name."""
    found: dict[str, Schema] = {"Error": ERROR}
    waiting = sorted(roots)
    while waiting:
        full_name = waiting.pop()
        message, enum = contracts.messages.get(full_name), contracts.enums.get(full_name)
        held = message or enum
        if held is None or held.short_name in found:
            continue
        found[held.short_name] = (
            message_schema(contracts, message) if message else enum_schema(contracts.enums[full_name])
        )
        waiting += [field.type_name for field in message.fields] if message else []
    return dict(sorted(found.items()))


def message_schema(contracts: Contracts, message: Message) -> Schema:
    """Return the schema of a message."""
    properties = {field.descriptor.json_name: field_schema(contracts, field) for field in message.fields}
    required = [field.descriptor.json_name for field in message.fields if field.required]
    schema: Schema = {"type": "object", "description": prose(message.comment), "properties": properties}
    return schema | ({"required": required} if required else {})


def enum_schema(enum: Enum) -> Schema:
    """Return the schema of an enum: its names, with their descriptions."""
    lines = [f"- `{name}`: {prose(comment)}" for name, comment in enum.values]
    description = "\n".join([prose(enum.comment), "", *lines])
    return {"type": "string", "description": description, "enum": [name for name, _ in enum.values]}


def field_schema(contracts: Contracts, field: Field) -> Schema:
    """Return the schema of a field, with its description and rules."""
    base = _type_schema(contracts, field)
    told: Schema = {"description": field.text} | ({"readOnly": True} if field.output_only else {})
    rules = field_rule_docs.schema(field.rules, is_integer_text=field.descriptor.type == Kind.TYPE_INT64)
    if field.repeated:
        return {"type": "array"} | told | {"items": base} | rules
    if "$ref" in base:
        # OpenAPI 3.0 ignores everything beside a $ref, so the description needs a schema around it.
        return told | {"allOf": [base]}
    return base | told | rules


def _type_schema(contracts: Contracts, field: Field) -> Schema:
    if not field.type_name:
        return SCALARS[field.descriptor.type]
    if field.type_name in WELL_KNOWN:
        return WELL_KNOWN[field.type_name]
    held = contracts.messages.get(field.type_name) or contracts.enums[field.type_name]
    return {"$ref": f"#/components/schemas/{held.short_name}"}
