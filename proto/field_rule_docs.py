"""The limits of fields, which contracts declare as options: read from an image, as JSON schema and as a sentence."""

from __future__ import annotations

from typing import Any

from google.api import field_behavior_pb2
from google.protobuf import descriptor_pb2 as pb
from google.protobuf import message_factory
from google.protobuf.descriptor_pool import DescriptorPool

EXTENSION = "ordermesh.options.v1.rules"
CHARACTERS = {
    "A-Za-z0-9._-": "characters of A-Z a-z 0-9 . _ -",
    "!-~": "printable ASCII characters without spaces",
    "^\\x00-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069": (
        "characters, no control characters, line separators or direction marks"
    ),
}


class RuleReader:
    """Reads the rules of fields without the generated code of the options, which may not exist yet."""

    def __init__(self, image: pb.FileDescriptorSet) -> None:
        """Build the types of the options from the image."""
        pool = DescriptorPool()
        for file in image.file:
            pool.Add(file)
        self._options = message_factory.GetMessageClass(pool.FindMessageTypeByName("google.protobuf.FieldOptions"))
        extension = pool.FindExtensionByName(EXTENSION)
        message_factory.GetMessageClass(extension.message_type)
        self._extension = extension

    def rules(self, field: pb.FieldDescriptorProto) -> Any | None:
        """Return the FieldRules of a field, None if it has none."""
        options = self._options.FromString(field.options.SerializeToString())
        return options.Extensions[self._extension] if options.HasExtension(self._extension) else None


def behaviors(field: pb.FieldDescriptorProto) -> set[int]:
    """Return the google.api.field_behavior of a field."""
    return set(field.options.Extensions[field_behavior_pb2.field_behavior])


def schema(rules: Any | None, *, is_integer_text: bool) -> dict[str, Any]:
    """Return the rules as JSON schema, without those that JSON schema cannot express.

    A 64-bit integer is a string in JSON, which has no minimum.
    """
    kind = rules.WhichOneof("kind") if rules is not None else None
    if kind == "items":
        return {"minItems": rules.items.min_items, "maxItems": rules.items.max_items}
    if kind == "text":
        return _text_schema(rules.text)
    if kind == "number" and not is_integer_text:
        return _number_schema(rules.number)
    return {}


def _number_schema(rules: Any) -> dict[str, Any]:
    has_default = rules.HasField("default_value")
    made = {"minimum": min(0, rules.minimum) if has_default else rules.minimum, "maximum": rules.maximum}
    return made | ({"default": rules.default_value} if has_default else {})


def _text_schema(rules: Any) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if rules.min_length:
        made["minLength"] = rules.min_length
    if rules.max_length:
        made["maxLength"] = rules.max_length
    if rules.characters:
        # ECMA 262, as JSON schema wants it: the exceptions are all made of dots.
        excluded = "|".join(text.replace(".", "\\.") for text in rules.excluded)
        made["pattern"] = f"^{f'(?!({excluded})$)' if excluded else ''}[{rules.characters}]+$"
    if rules.one_of:
        made["enum"] = list(rules.one_of)
    if rules.format == rules.UUID:
        made["format"] = "uuid"
    return made


def sentence(rules: Any | None) -> str:
    """Return the rules as a sentence, empty without rules."""
    kind = rules.WhichOneof("kind") if rules is not None else None
    words = {"number": _number_words, "text": _text_words, "items": _item_words, "time": _time_words}
    return words[kind](getattr(rules, kind)) if kind else ""


def _number_words(rules: Any) -> str:
    made = f"{rules.minimum:,} to {rules.maximum:,}"
    if rules.max_decimals:
        made += f" with at most {rules.max_decimals} decimals"
    if rules.HasField("default_value"):
        made += f"; 0 or absent means {rules.default_value:,}"
    if rules.only_with:
        made += f"; other than 0 only with {rules.only_with}"
    return f"{made}."


def _text_words(rules: Any) -> str:
    if rules.format == rules.UUID:
        return "A UUID."
    if rules.format == rules.TOKEN:
        return f"At most {rules.max_length:,} characters."
    if rules.one_of:
        return f"One of {', '.join(rules.one_of)}."
    characters = CHARACTERS.get(rules.characters, f"characters of [{rules.characters}]")
    excluded = " or ".join(f'"{text}"' for text in rules.excluded)
    return f"{rules.min_length:,} to {rules.max_length:,} {characters}{f', but not {excluded}' if excluded else ''}."


def _item_words(rules: Any) -> str:
    made = f"{rules.min_items:,} to {rules.max_items:,} elements"
    if rules.max_total_price:
        made += f" with a total price of at most {rules.max_total_price:,}"
    if rules.max_total_items:
        made += f" with at most {rules.max_total_items:,} items together"
    return f"{made}."


def _time_words(rules: Any) -> str:
    made = f"{rules.earliest[:4]} to {rules.latest[:4]}"
    if rules.HasField("span"):
        span = rules.span
        made += (
            f"; after {span.start} by at most {span.max_minutes:,} minutes, {span.default_minutes:,} if that is absent"
        )
    return f"{made}."
