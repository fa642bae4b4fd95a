"""The types of connections: rows may have any type."""

from __future__ import annotations

from typing import Any

import psycopg

Connection = psycopg.Connection[Any]
AsyncConnection = psycopg.AsyncConnection[Any]
