"""What may stand between a service and PostgreSQL, as a setting."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

# A pooler of sessions is as good as none.
Pooler = Literal["none", "transaction"]
POOLER: Any = Field(
    default="none", description="transaction for PgBouncer in that mode, else none (docs/postgresql.md)."
)
