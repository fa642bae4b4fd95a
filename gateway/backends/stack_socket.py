"""Asks the process that runs the stack, which makes sessions of the dashboard and knows of revoked keys."""

from __future__ import annotations

import asyncio

ANSWER_SECONDS = 5.0


async def ask(socket: str, line: str) -> str:
    """Return the answer to a line, empty when there is none, or no such process."""
    if not socket:
        return ""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_unix_connection(socket)
            try:
                writer.write(f"{line}\n".encode())
                return (await reader.readline()).decode().strip()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return ""
