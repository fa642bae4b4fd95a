"""A Java agent in the broker's process, which answers at a port of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stack.machine.ports import LOOPBACK


@dataclass(frozen=True)
class Agent:
    """Its jar, its port, its configuration, and the folder that the configuration is in with what it names."""

    jar: Path
    port: int
    config: Path

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags of Java."""
        return (f"-javaagent:{self.jar}={LOOPBACK}:{self.port}:{self.config}",)

    @property
    def readable(self) -> tuple[Path, Path]:
        """What the broker reads because of it."""
        return self.jar, self.config.parent
