"""The descriptor set for Envoy's transcoder: JSON field names, HEAD bindings, and path fields closed in bodies."""

from __future__ import annotations

import base64
import functools

from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
)

from frontdoor import public_services

LAST_FIELD_NUMBER = 2**29 - 1
ONLY_IN_THE_PATH = "only_in_the_path"
# The error of the transcoder is: "orderId: missing field belongs_in_the_path_only".
UNFILLABLE_FIELD = "belongs_in_the_path_only"


@functools.cache
def encoded() -> str:
    """Return the descriptor set in base64.

    The transcoder accepts both names of a field and uses the first one in errors, where a REST client expects
    `customerId`.
    """
    image = FileDescriptorSet.FromString(public_services.descriptor_set())
    for file in image.file:
        for message in file.message_type:
            if not file.package.startswith("google.protobuf"):
                exchange_names(message)
    for file in image.file:
        for service in file.service:
            for method in service.method:
                change_rules(method, public_services.message(image, method.input_type))
    closed = unfillable()
    for file in image.file:
        if not file.package.startswith("google."):
            file.dependency.append(closed.name)
    image.file.insert(0, closed)
    return base64.b64encode(image.SerializeToString()).decode()


def exchange_names(message: DescriptorProto) -> None:
    """Swap the names of the fields with their JSON names."""
    for field in message.field:
        field.name, field.json_name = field.json_name, field.name
    for nested in message.nested_type:
        exchange_names(nested)


def change_rules(method: MethodDescriptorProto, request: DescriptorProto) -> None:
    """Rename the path fields of a method, add HEAD to GET, and close the path fields in the body."""
    first = method.options.Extensions[annotations_pb2.http]
    rules = list(public_services.rules(first))
    names = {field.json_name: field.name for field in request.field}
    if any(rule.body for rule in rules):
        in_path = {name for rule in rules for name in public_services.VARIABLE.findall(template_of(rule))}
        names |= close_in_body(request, in_path)
    for rule in rules:
        path = public_services.VARIABLE.sub(lambda found: f"{{{names[found[1]]}}}", template_of(rule))
        setattr(rule, str(rule.WhichOneof("pattern")), path)
        if rule.get:
            first.additional_bindings.add(custom=http_pb2.CustomHttpPattern(kind="HEAD", path=path))


def template_of(rule: http_pb2.HttpRule) -> str:
    """Return the path template of an HTTP rule."""
    return str(getattr(rule, str(rule.WhichOneof("pattern"))))


def close_in_body(request: DescriptorProto, in_path: set[str]) -> dict[str, str]:
    """Prevent bodies from setting the path fields; return the new names of those fields.

    The transcoder only rejects a value that differs from the path, and only under the first name. Here the field gets
    another name, and the names that clients know belong to a field that no JSON can fill.
    """
    names = {}
    for field in [one for one in request.field if one.json_name in in_path]:
        names[field.json_name] = f"{field.name}_of_the_path"
        request.field.add(
            name=field.name,
            json_name=field.json_name,
            number=LAST_FIELD_NUMBER - field.number,
            label=FieldDescriptorProto.LABEL_OPTIONAL,
            type=FieldDescriptorProto.TYPE_MESSAGE,
            type_name=f".{ONLY_IN_THE_PATH}",
        )
        field.name = field.json_name = names[field.json_name]
    return names


def unfillable() -> FileDescriptorProto:
    """Return the file of a message that requires itself: no JSON value of it is complete."""
    file = FileDescriptorProto(name=f"{ONLY_IN_THE_PATH}.proto", syntax="proto2")
    file.message_type.add(name=ONLY_IN_THE_PATH).field.add(
        name=UNFILLABLE_FIELD,
        number=1,
        label=FieldDescriptorProto.LABEL_REQUIRED,
        type=FieldDescriptorProto.TYPE_MESSAGE,
        type_name=f".{ONLY_IN_THE_PATH}",
    )
    return file
