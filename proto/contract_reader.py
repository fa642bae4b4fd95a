"""Reads a FileDescriptorSet: messages, enums and methods by full name, with their comments and rules."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from field_rule_docs import RuleReader, behaviors, sentence
from google.api import annotations_pb2, field_behavior_pb2, http_pb2
from google.protobuf import descriptor_pb2 as pb
from method_access import Access, AccessReader

Path = tuple[int, ...]
# Field numbers of descriptor.proto: the paths of SourceCodeInfo consist of them.
FILE_MESSAGE, FILE_ENUM, FILE_SERVICE = 4, 5, 6
MESSAGE_FIELD, MESSAGE_NESTED, MESSAGE_ENUM = 2, 3, 4
ENUM_VALUE, SERVICE_METHOD = 2, 2


@dataclass(frozen=True)
class Field:
    """A field, its comment and its rules (ordermesh.options.v1.FieldRules)."""

    descriptor: pb.FieldDescriptorProto
    comment: str
    rules: Any | None = None

    @property
    def own_json_name(self) -> str:
        """Return the JSON name if the contract states one, empty if it is the name in camelCase."""
        json_name = self.descriptor.json_name
        return "" if json_name == camel_case(self.descriptor.name) else json_name

    @property
    def repeated(self) -> bool:
        """Return whether the field is repeated."""
        return self.descriptor.label == pb.FieldDescriptorProto.LABEL_REPEATED

    @property
    def type_name(self) -> str:
        """Return the full name of the message or enum, empty for a scalar."""
        return self.descriptor.type_name.removeprefix(".")

    @property
    def required(self) -> bool:
        """Return whether a request without the field is refused."""
        return field_behavior_pb2.REQUIRED in behaviors(self.descriptor)

    @property
    def output_only(self) -> bool:
        """Return whether only the server sets the field."""
        return field_behavior_pb2.OUTPUT_ONLY in behaviors(self.descriptor)

    @property
    def text(self) -> str:
        """Return the comment as text, followed by the rules."""
        required = "Required." if self.required else ""
        return " ".join(part for part in (prose(self.comment), required, sentence(self.rules)) if part)


@dataclass(frozen=True)
class Message:
    """A message, its comment and its fields."""

    full_name: str
    short_name: str
    comment: str
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Enum:
    """An enum, its comment and its values with theirs."""

    full_name: str
    short_name: str
    comment: str
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Method:
    """A method, its comment, its REST bindings (verb, path template, body) and who may call it."""

    name: str
    comment: str
    request: str
    response: str
    server_streaming: bool
    bindings: tuple[tuple[str, str, str], ...]
    access: Access | None


@dataclass(frozen=True)
class Service:
    """A service, its comment and its methods."""

    full_name: str
    name: str
    comment: str
    methods: tuple[Method, ...]


class Contracts:
    """The contracts of the ordermesh packages."""

    def __init__(self, image: bytes) -> None:
        """Index an image: the bytes of a FileDescriptorSet with source info."""
        self.messages: dict[str, Message] = {}
        self.enums: dict[str, Enum] = {}
        self.services: list[Service] = []
        files = pb.FileDescriptorSet.FromString(image)
        self._reader = RuleReader(files)
        self._access = AccessReader(files)
        for file in files.file:
            if file.package.startswith("ordermesh."):
                self._read_file(file)
        self.services.sort(key=lambda service: service.full_name)

    def _read_file(self, file: pb.FileDescriptorProto) -> None:
        comments = {tuple(place.path): place.leading_comments for place in file.source_code_info.location}
        for index, message in enumerate(file.message_type):
            self._read_message(file.package, "", message, (FILE_MESSAGE, index), comments)
        for index, enum in enumerate(file.enum_type):
            self._read_enum(file.package, "", enum, (FILE_ENUM, index), comments)
        for index, service in enumerate(file.service):
            self._read_service(file.package, service, (FILE_SERVICE, index), comments)

    def _read_message(
        self, package: str, outer: str, message: pb.DescriptorProto, path: Path, comments: dict[Path, str]
    ) -> None:
        short_name = outer + message.name
        fields = tuple(
            Field(field, comments.get((*path, MESSAGE_FIELD, index), ""), self._reader.rules(field))
            for index, field in enumerate(message.field)
        )
        full_name = f"{package}.{short_name}"
        self.messages[full_name] = Message(full_name, short_name, comments.get(path, ""), fields)
        for index, nested in enumerate(message.nested_type):
            self._read_message(package, f"{short_name}.", nested, (*path, MESSAGE_NESTED, index), comments)
        for index, enum in enumerate(message.enum_type):
            self._read_enum(package, f"{short_name}.", enum, (*path, MESSAGE_ENUM, index), comments)

    def _read_enum(
        self, package: str, outer: str, enum: pb.EnumDescriptorProto, path: Path, comments: dict[Path, str]
    ) -> None:
        short_name = outer + enum.name
        values = tuple(
            (value.name, comments.get((*path, ENUM_VALUE, index), "")) for index, value in enumerate(enum.value)
        )
        full_name = f"{package}.{short_name}"
        self.enums[full_name] = Enum(full_name, short_name, comments.get(path, ""), values)

    def _read_service(
        self, package: str, service: pb.ServiceDescriptorProto, path: Path, comments: dict[Path, str]
    ) -> None:
        methods = tuple(
            Method(
                name=method.name,
                comment=comments.get((*path, SERVICE_METHOD, index), ""),
                request=method.input_type.removeprefix("."),
                response=method.output_type.removeprefix("."),
                server_streaming=method.server_streaming,
                bindings=tuple(_bindings(method.options.Extensions[annotations_pb2.http])),
                access=self._access.access(method),
            )
            for index, method in enumerate(service.method)
        )
        full_name = f"{package}.{service.name}"
        self.services.append(Service(full_name, service.name, comments.get(path, ""), methods))


def _bindings(rule: http_pb2.HttpRule) -> Iterator[tuple[str, str, str]]:
    """Yield the bindings of a rule; none for a method without REST form."""
    verb = rule.WhichOneof("pattern")
    if verb is not None:
        yield verb, getattr(rule, verb), rule.body
    for further in rule.additional_bindings:
        yield from _bindings(further)


def camel_case(name: str) -> str:
    """Return the JSON name of a field for which the contract states none."""
    return re.sub(r"_([a-z0-9])", lambda found: found[1].upper(), name)


def prose(comment: str) -> str:
    """Return a comment as text: the lines of a paragraph joined, without a JSON example at the end."""
    lines = [line.removeprefix(" ") for line in comment.split("\n")]
    kept = lines[: _example_start(lines)]
    paragraphs = "\n".join(line.strip() for line in kept).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split("\n")).strip() for paragraph in paragraphs).strip()


def example(comment: str) -> str:
    """Return the JSON example at the end of a comment, empty without one."""
    lines = comment.split("\n")
    return " ".join(line.strip() for line in lines[_example_start(lines) :])


def _example_start(lines: list[str]) -> int:
    return next((index for index, line in enumerate(lines) if line.strip().startswith("{")), len(lines))
