"""The levels of loggers as a setting has them: `info,orders.outbox=debug`. Pure but for a look at our own modules."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

LEVELS = {name: getattr(logging, name.upper()) for name in ("debug", "info", "warning", "error")}
# Loggers below these are ours; others are those of libraries, which log warnings and errors unless they are named.
PACKAGES = ("orders", "processor", "gateway", "runtime")
NAME = re.compile(r"[\w-]+(\.[\w-]+)*")
SOURCES = Path(__file__).parents[1]
MAX_CHARACTERS = 4_096


@dataclass(frozen=True, slots=True)
class LogLevels:
    """The level of all loggers, and those of single ones with what is below them."""

    base: str
    loggers: Mapping[str, str]

    def __str__(self) -> str:
        return ",".join([self.base, *(f"{name}={level}" for name, level in self.loggers.items())])


def parse(text: str) -> LogLevels:
    """Parse `info,orders.outbox=debug`: a level for all, and any number for single loggers. Raises ValueError."""
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"must have at most {MAX_CHARACTERS} characters, has {len(text)}")
    base, *rest = (word.strip() for word in text.split(","))
    loggers = {}
    for word in rest:
        name, equals, named_level = word.partition("=")
        if not equals or not NAME.fullmatch(name.strip()):
            raise ValueError(f"must be a level and then logger=level, such as info,orders.outbox=debug; has {word!r}")
        loggers[existing(name.strip())] = level(named_level.strip())
    return LogLevels(level(base), loggers)


def level(word: str) -> str:
    """Return a level. Raises ValueError for another word."""
    if word not in LEVELS:
        raise ValueError(f"must have the levels {', '.join(LEVELS)}; has {word!r}")
    return word


def existing(name: str) -> str:
    """Return the name of a logger. Raises ValueError for a module of ours that does not exist."""
    if name.split(".")[0] in PACKAGES:
        path = SOURCES.joinpath(*name.split("."))
        if not path.is_dir() and not path.with_suffix(".py").is_file():
            raise ValueError(f"names no module or package: {name}")
    return name
