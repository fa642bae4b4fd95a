"""Limits of request fields, read once from the options of the contracts (ordermesh.options.v1)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from google.protobuf.message import Message
from ordermesh.options.v1 import options_pb2
from ordermesh.options.v1.options_pb2 import FieldRules, TextRules

from runtime.errors import InvalidRequest, Violation

UUID = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


@dataclass(frozen=True, slots=True)
class Number:
    """The limits of an integer field; `default` is what 0 means, None if 0 has no meaning of its own."""

    field: str
    minimum: int
    maximum: int
    default: int | None

    def value(self, given: int) -> int:
        """Return the value, or the default for 0. Raises InvalidRequest."""
        violations: list[Violation] = []
        value = self.checked(given, violations)
        if violations:
            raise InvalidRequest(violations)
        return value

    def checked(self, given: int, violations: list[Violation]) -> int:
        """Return the value, or the default for 0, and append a violation if it is out of range."""
        if given == 0 and self.default is not None:
            return self.default
        if not self.minimum <= given <= self.maximum:
            or_default = "" if self.default is None else f", or 0 for {self.default}"
            rule = f"must be {self.minimum} to {self.maximum}{or_default}, is {given}"
            violations.append(Violation(self.field, rule))
        return given


def rules(message: type[Message], field: str) -> FieldRules:
    """Return the rules of a field; those that it does not declare are empty."""
    options = message.DESCRIPTOR.fields_by_name[field].GetOptions()
    found: FieldRules = options.Extensions[options_pb2.rules]  # type: ignore[index]  # the stub has a plain descriptor
    return found


def number(message: type[Message], field: str) -> Number:
    """Return the limits of an integer field."""
    found = rules(message, field).number
    default = found.default_value if found.HasField("default_value") else None
    return Number(field, found.minimum, found.maximum, default)


def pattern(message: type[Message], field: str) -> re.Pattern[str]:
    """Return the expression that a value of a string field must match from beginning to end."""
    found = rules(message, field).text
    if found.format == TextRules.UUID:
        return re.compile(UUID)
    excluded = "|".join(re.escape(text) for text in found.excluded)
    head = rf"(?!(?:{excluded})\Z)" if excluded else ""
    return re.compile(f"{head}[{found.characters}]{{{found.min_length},{found.max_length}}}")


def must_have(message: type[Message], field: str, characters: str) -> str:
    """Return the description of a violation of the length of a string field or of its characters."""
    found = rules(message, field).text
    return f"must have {found.min_length} to {found.max_length} {characters}"
