"""Named SQL queries, read from the .sql files beside the code that uses them."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import LiteralString, cast

HEAD = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


class Queries:
    """The queries of an .sql file of a package, as attributes by name."""

    def __init__(self, package: str, filename: str) -> None:
        parts = HEAD.split(files(package).joinpath(filename).read_text())
        self._source = f"{package}/{filename}"
        self._texts = {name: text.strip().rstrip(";") for name, text in zip(parts[1::2], parts[2::2], strict=True)}

    def __getattr__(self, name: str) -> LiteralString:
        """Return the text of a query, typed as literal because the file is part of the program."""
        try:
            return cast(LiteralString, self._texts[name])
        except KeyError:
            raise AttributeError(f"{self._source} has no query {name}") from None

    def names(self) -> list[str]:
        """Return the names of the queries."""
        return list(self._texts)
