"""The modes of a connection pooler between a service and PostgreSQL."""

from __future__ import annotations

from typing import Literal

# A pooler in session mode counts as none.
Pooler = Literal["none", "transaction"]
