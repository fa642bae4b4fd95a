"""Asks the admin interface of an Envoy on its Unix socket."""

from __future__ import annotations

from pathlib import Path

from stack.machine.http_probe import http_get

SECONDS = 5.0


def from_admin(admin: Path, path: str) -> str:
    """Return what GET path of the admin interface answers."""
    answer = http_get(admin, path, SECONDS)
    assert answer is not None, f"no answer from {admin}"
    assert answer[0] == 200, answer
    return answer[1].decode()
