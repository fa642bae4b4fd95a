"""Completion as bash gives it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ASK = """
source <(ordermesh --show-completion bash)
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
$(complete -p ordermesh | grep -o '_ordermesh[a-z_]*') ordermesh
printf '%s\\n' "${COMPREPLY[@]}"
"""


def complete(*words: str, home: Path = Path("/nonexistent")) -> set[str]:
    """Return what a bash that knows nothing else offers for the last word."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": "/nonexistent", "ORDERMESH_HOME": str(home)}
    command = ["bash", "--norc", "--noprofile", "-c", ASK, "bash", "ordermesh", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("st",), {"status"}),
        (("dlq", "s"), {"summary", "show"}),
        (("dlq", "re"), {"redrive", "resume"}),
        (("verify", "--"), {"--full", "--target", "--wait", "--help"}),
        (("outbox", "--status", ""), {"NEW", "FAILED"}),
    ],
)
def test_bash_completes_commands_options_and_values(words: tuple[str, ...], offered: set[str]) -> None:
    assert complete(*words) == offered


def test_bash_completes_the_components_that_have_logs(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    for part in ("orders", "processor", "publisher"):
        (tmp_path / "logs" / f"{part}.log").touch()
    assert complete("logs", "p", home=tmp_path) == {"processor", "publisher"}
    assert complete("logs", "") == set()
