"""Folders for stacks that are tried here: short, passable for PostgreSQL's user, gone afterwards."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.machine.state_folder import StateFolder


@pytest.fixture(scope="module")
def state() -> Iterator[StateFolder]:
    home = Path(tempfile.mkdtemp(prefix="om-test-", dir="/tmp"))
    if os.geteuid() == 0:
        home.chmod(0o711)
    folder = StateFolder(home)
    yield folder
    shutil.rmtree(folder.run_dir(), ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)
