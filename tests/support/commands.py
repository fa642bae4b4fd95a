"""Runs the `ordermesh` command against a running stack."""

from __future__ import annotations

import os

import forked_programs

from stack.running_stack import RunningStack


def ordermesh(stack: RunningStack, *words: str, code: int = 0) -> str:
    """Run a command to its end and return what it printed. Fails with that when the exit code is another one."""
    env = {**os.environ, "ORDERMESH_HOME": str(stack.context.state.home), "COLUMNS": "300"}
    done = forked_programs.run("cli", *words, env=env)
    assert done.returncode == code, f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr
