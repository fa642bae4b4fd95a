"""Makes the JSON schemas of messages and enums as Envoy's transcoder prints them."""

from __future__ import annotations

import re
from typing import Any

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
RANGE = re.compile(r"\b(\d[\d,]*) to (\d[\d,]*\d|\d)( (?:printable )?characters)?")
DEFAULT = re.compile(r"\b0 or absent means ([\d,]*\d)")
ALPHABET = "characters of A-Z a-z 0-9 . _ -"

ERROR: Schema = {
    "type": "object",
    "description": "A google.rpc.Status: why a call was refused.",
    "required": ["code", "message"],
    "properties": {
        "code": {"type": "integer", "format": "int32", "description": "The gRPC status code, not the HTTP one."},
        "message": {"type": "string", "description": "What is wrong, for people."},
        "details": {
            "type": "array",
            "description": "One google.rpc.ErrorInfo; with it BadRequest or RetryInfo where they apply.",
            "items": {
                "type": "object",
                "required": ["@type"],
                "properties": {
                    "@type": {
                        "type": "string",
                        "description": "The detail's type, e.g. type.googleapis.com/google.rpc.ErrorInfo.",
                    },
                    "reason": {"$ref": "#/components/schemas/ErrorReason"},
                },
                "additionalProperties": True,
            },
        },
    },
}


def schemas(contracts: Contracts, roots: set[str]) -> dict[str, Schema]:
    """Return the schemas of these messages and of all that they hold, by short name."""
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
    """Return a message's schema, with the limits that its comments state."""
    properties = {field.descriptor.json_name: field_schema(contracts, field) for field in message.fields}
    required = [field.descriptor.json_name for field in message.fields if is_required(field)]
    schema: Schema = {"type": "object", "description": prose(message.comment), "properties": properties}
    return schema | ({"required": required} if required else {})


def enum_schema(enum: Enum) -> Schema:
    """Return an enum's schema: its names, explained."""
    lines = [f"- `{name}`: {prose(comment)}" for name, comment in enum.values]
    description = "\n".join([prose(enum.comment), "", *lines])
    return {"type": "string", "description": description, "enum": [name for name, _ in enum.values]}


def field_schema(contracts: Contracts, field: Field) -> Schema:
    """Return a field's schema with its comment."""
    base = _type_schema(contracts, field)
    description = prose(field.comment)
    if field.repeated:
        return {"type": "array", "description": description, "items": base} | limits(field)
    if "$ref" in base:
        # What stands beside a $ref is ignored in OpenAPI 3.0, so the comment needs a schema around it.
        return {"description": description, "allOf": [base]}
    return base | {"description": description} | limits(field)


def _type_schema(contracts: Contracts, field: Field) -> Schema:
    if not field.type_name:
        return SCALARS[field.descriptor.type]
    if field.type_name in WELL_KNOWN:
        return WELL_KNOWN[field.type_name]
    held = contracts.messages.get(field.type_name) or contracts.enums[field.type_name]
    return {"$ref": f"#/components/schemas/{held.short_name}"}


def limits(field: Field) -> Schema:
    """Return the limits that a field's comment states, such as "1 to 64 characters" or "1 to 300; 0 means 30"."""
    stated = RANGE.search(field.comment)
    if stated is None:
        return {}
    low, high = _number(stated[1]), _number(stated[2])
    if field.repeated:
        return {"minItems": low, "maxItems": high}
    if stated[3]:
        pattern = {"pattern": r"^(?!\.\.?$)[A-Za-z0-9._-]+$"} if ALPHABET in field.comment else {}
        return {"minLength": low, "maxLength": high} | pattern
    if field.descriptor.type in (Kind.TYPE_INT32, Kind.TYPE_DOUBLE):
        default = DEFAULT.search(field.comment)
        absent = {"default": _number(default[1])} if default else {}
        return {"minimum": 0 if default else low, "maximum": high} | absent
    return {}


def is_required(field: Field) -> bool:
    """Tell whether a request without the field is refused: said so, or a range that its default lies outside of."""
    if "Required" in field.comment:
        return True
    stated = RANGE.search(field.comment)
    optional = "Optional" in field.comment or DEFAULT.search(field.comment)
    return stated is not None and not optional and _number(stated[1]) > 0


def _number(text: str) -> int:
    return int(text.replace(",", ""))
