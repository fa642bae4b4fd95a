"""The setting of a connection pooler between a service and PostgreSQL."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

# A pooler in session mode counts as none.
Pooler = Literal["none", "transaction"]
POOLER: Any = Field(
    default="none", description="Mode of a pooler such as PgBouncer in front of PostgreSQL (docs/how-to/postgresql.md)."
)
