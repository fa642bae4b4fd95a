"""Addresses and Unix sockets of servers."""

import os
import socket
from pathlib import Path

import pytest

from runtime import addresses


def test_addresses_that_are_none_and_paths_too_long_are_refused() -> None:
    assert addresses.socket_path("127.0.0.1:80") is None
    assert addresses.socket_path("unix:/tmp/x.sock") == Path("/tmp/x.sock")
    for text in ("", "80", "host:", ":80", "host:port"):
        with pytest.raises(ValueError, match="neither unix:/path nor host:port"):
            addresses.socket_path(text)
    with pytest.raises(ValueError, match="longer than 107 bytes"):
        addresses.socket_path("unix:/" + "ü" * 60)


def test_a_stale_socket_is_cleared_a_live_one_is_refused_and_the_mode_is_private(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    with addresses.binding(f"unix:{path}"), socket.socket(socket.AF_UNIX) as live:
        assert not path.exists()
        live.bind(str(path))
        live.listen()
        assert path.stat().st_mode & 0o777 == 0o600
        with pytest.raises(OSError, match="another process listens"), addresses.binding(f"unix:{path}"):
            pass
    before = os.umask(0o022)
    os.umask(before)
    assert before != 0o177
