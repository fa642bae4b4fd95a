"""Builders of configuration: values that YAML can hold, and Envoy's typed extensions."""

from __future__ import annotations

from typing import Any

Config = dict[str, Any]


def typed(message: str, **fields: Any) -> Config:
    """Return the configuration of an extension: the full name of its message, and its fields."""
    return {"@type": f"type.googleapis.com/{message}", **fields}


def extension(name: str, message: str, **fields: Any) -> Config:
    """Return an extension with its name."""
    return {"name": name, "typed_config": typed(message, **fields)}


def seconds(amount: float) -> str:
    """Return a duration given in seconds."""
    return f"{amount:g}s"


def millis(amount: int) -> str:
    """Return a duration given in milliseconds."""
    return f"{amount / 1000:g}s"


def percent(value: float) -> Config:
    """Return a percentage."""
    return {"value": value}


def header_is(name: str, **match: Any) -> Config:
    """Return a match on the value of a header."""
    return {"name": name, "string_match": match}
