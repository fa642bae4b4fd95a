"""How long the connections of clients last, so that they spread again when there are more servers."""

from __future__ import annotations

from pydantic import Field

from runtime.settings import Settings


class ConnectionAgeSettings(Settings):
    """The age of connections; a local client on a Unix socket has no other server."""

    connection_seconds: float = Field(
        default=0,
        ge=0,
        le=86_400,
        description="How long a gRPC connection lasts, a tenth more or less: then its client resolves the name of the "
        "service again and finds new servers; calls in flight finish. 0: without limit.",
    )


def connection_age(seconds: float) -> list[tuple[str, int]]:
    """Return the options of a server whose connections last so long; 0: without limit."""
    return [("grpc.max_connection_age_ms", round(seconds * 1000))] if seconds else []
