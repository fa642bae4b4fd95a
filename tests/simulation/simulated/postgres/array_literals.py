"""Reads the array literals that runtime.postgres.arrays writes."""

from __future__ import annotations

import re

ELEMENT = re.compile(r'"((?:[^"\\]|\\.)*)"')
ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def plain(text: str) -> list[str]:
    """Return the elements of an array whose elements need no quoting."""
    return text[1:-1].split(",") if len(text) > 2 else []


def numbers(text: str) -> list[int]:
    """Return the elements of an array of numbers."""
    return [int(each) for each in plain(text)]


def quoted(text: str) -> list[str]:
    """Return the elements of an array of strings."""
    return [ESCAPED.sub(r"\1", each) for each in ELEMENT.findall(text)]


def binary(text: str) -> list[bytes]:
    """Return the elements of an array of byte strings."""
    return [bytes.fromhex(each[2:]) for each in quoted(text)]
