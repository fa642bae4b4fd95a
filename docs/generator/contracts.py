"""The contracts: services with the REST form of each method, messages with their fields, enums."""

from __future__ import annotations

import re
from typing import Any

from contract_reader import Contracts, Enum, Field, Message, Method, Service, prose
from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from generator.markdown import anchor, head, table, wrapped

INTRO = """\
gRPC, gRPC-Web and REST share one port. `/docs` of a running stack shows the same with forms to try it,
`/openapi.json` and `/descriptor.binpb` are the machine-readable forms. What holds for every REST call is in
[REST](rest.md). JSON names are the field names in camelCase unless stated otherwise.
"""


def page(contracts: Contracts) -> str:
    """Return the page."""
    parts = [head("Contracts", "`proto/ordermesh/`", INTRO), "## Services\n"]
    parts += [
        service_part(service, contracts) for service in contracts.services if ".internal." not in service.full_name
    ]
    parts += ["## Messages\n", *(message_part(one, contracts) for one in by_name(contracts.messages))]
    parts += ["## Enums\n", *(enum_part(one) for one in by_name(contracts.enums))]
    return "\n".join(parts)


def by_name(found: dict[str, Any]) -> list[Any]:
    """Return the public ones by name; entries of maps are left out."""
    return [found[name] for name in sorted(found) if ".internal." not in name and not name.endswith("Entry")]


def service_part(service: Service, contracts: Contracts) -> str:
    """Return a service with its methods."""
    rows = [method_row(method, contracts) for method in service.methods]
    columns = ("method", "request and response", "roles", "description")
    return f"### {service.full_name}\n\n{wrapped(prose(service.comment))}\n\n{table(columns, rows)}"


def method_row(method: Method, contracts: Contracts) -> tuple[str, ...]:
    """Return one method."""
    stream = "stream of " if method.server_streaming else ""
    rest = "<br>".join(f"`{verb.upper()} {path}`" for verb, path, _ in method.bindings)
    request, response = (linked(name, contracts) for name in (method.request, method.response))
    roles = method.access.words if method.access else ""
    return f"`{method.name}`<br>{rest}", f"{request} → {stream}{response}", roles, prose(method.comment)


def message_part(message: Message, contracts: Contracts) -> str:
    """Return a message with its fields."""
    rows = [
        (field.descriptor.number, name_of(field), type_of(field, contracts), field.text) for field in message.fields
    ]
    body = table(("number", "field", "type", "meaning"), rows) if rows else "It has no fields.\n"
    return f"### {message.full_name}\n\n{wrapped(prose(message.comment))}\n\n{body}".replace("\n\n\n\n", "\n\n")


def enum_part(enum: Enum) -> str:
    """Return an enum with its values."""
    rows = [(f"`{name}`", prose(comment)) for name, comment in enum.values]
    return f"### {enum.full_name}\n\n{wrapped(prose(enum.comment))}\n\n{table(('value', 'meaning'), rows)}"


def name_of(field: Field) -> str:
    """Return the name of a field, with its JSON name if that is not the name in camelCase."""
    name = f"`{field.descriptor.name}`"
    return f"{name}, in JSON `{field.own_json_name}`" if field.own_json_name else name


def type_of(field: Field, contracts: Contracts) -> str:
    """Return the type of a field, as the contract writes it."""
    name = FieldDescriptorProto.Type.Name(field.descriptor.type).removeprefix("TYPE_").lower()
    kind = linked(field.type_name, contracts) if field.type_name else name
    if field.repeated:
        return f"repeated {kind}"
    return f"optional {kind}" if field.descriptor.proto3_optional else kind


def linked(full_name: str, contracts: Contracts) -> str:
    """Return a name that leads to the message or enum, where this page has it."""
    short = re.sub(r"^ordermesh\.\w+\.v1\.", "", full_name)
    known = full_name in contracts.messages or full_name in contracts.enums
    return f"[{short}](#{anchor(full_name)})" if known and ".internal." not in full_name else f"`{full_name}`"
