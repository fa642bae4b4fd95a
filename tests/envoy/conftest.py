"""One Envoy with its backend for all tests; those that change something start their own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from envoy_backend import Backend
from envoy_front import Front


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    # Short: a Unix socket's path has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="om-envoy-") as name:
        yield Path(name)


@pytest.fixture(scope="session", autouse=True)
def curl_is_installed() -> None:
    if shutil.which("curl") is None:
        pytest.exit("these tests need curl: install it with the system's package manager", returncode=2)


@pytest.fixture(scope="session")
def backend(folder: Path) -> Iterator[Backend]:
    backend = Backend(folder)
    yield backend
    backend.stop()


@pytest.fixture(scope="session")
def front(folder: Path, backend: Backend) -> Iterator[Front]:
    front = Front(folder)
    yield front
    front.stop()


@pytest.fixture
def start_front(tmp_path: Path, folder: Path, backend: Backend) -> Iterator[Callable[..., Front]]:
    fronts: list[Front] = []

    def start(**options: Any) -> Front:
        fronts.append(Front(folder, **options))
        return fronts[-1]

    yield start
    for front in fronts:
        front.stop()
