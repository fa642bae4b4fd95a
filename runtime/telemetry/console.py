"""Shows text of others: what a terminal would interpret, or would not show as it is, is escaped."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text


def escaped(text: str, kept: str = "") -> str:
    """Return text with control, formatting (such as bidi) and separator characters escaped, except the kept ones."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in kept else repr(one)[1:-1] for one in text)


def shown_json(value: Any) -> str:
    """Return a value as one line of JSON that shows letters as they are, and escapes what a terminal interprets."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if text.isprintable():
        return text
    # Only strings hold such characters, and json has escaped the quotes and backslashes in them.
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)


class EscapingConsole(Console):
    """Prints text unchanged except for characters that a terminal interprets: no markup, no emoji names.

    Style comes from renderables, such as Text with a style, never from the characters of a text.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return the escaped text: tables measure it."""
        return super().render_str(escaped(text, "\n"), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of a renderable with their text escaped. Cursor movements of live displays stay."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(escaped(segment.text, "\n"), segment.style)
