"""Runs the project's programs as forks of one process that has imported them all: a start takes 30 ms, not a second.

Arguments, environment, folder, output and exit code are those of `python -m`. That a program imports what it needs is
shown by the tests that start it by itself.
"""

from __future__ import annotations

import functools
import gc
import importlib
import json
import os
import pkgutil
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

PACKAGES = ("cli", "frontdoor", "gateway", "loadgen", "orders", "processor")


def run(module: str, *words: str, env: Mapping[str, str], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    with tempfile.TemporaryDirectory(prefix="om-program-") as folder:
        request = {"module": module, "words": words, "env": dict(env), "cwd": str(cwd or Path.cwd()), "folder": folder}
        try:
            code = _ask(request)
        except BaseException:
            # A test that was interrupted leaves an answer that nobody reads.
            _server().kill()
            _server.cache_clear()
            raise
        output, errors = (Path(folder, name).read_text() for name in ("stdout", "stderr"))
    return subprocess.CompletedProcess([module, *words], code, output, errors)


@functools.cache
def _server() -> subprocess.Popen[str]:
    # It ends with its input, which ends with this process.
    env = {name: value for name, value in os.environ.items() if not name.startswith("ORDERMESH_")}
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, __file__], env=env, stdin=pipe, stdout=pipe, text=True)


def _ask(request: Mapping[str, object]) -> int:
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    print(json.dumps(request), file=server.stdin, flush=True)
    return int(server.stdout.readline())


def _serve() -> None:
    for package in PACKAGES:
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    # A fork that ends does not look through all of it.
    gc.freeze()
    while line := sys.stdin.readline():
        pid = os.fork()
        if not pid:
            return _become(**json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
    return None


def _become(module: str, words: list[str], env: dict[str, str], cwd: str, folder: str) -> None:
    for number, name in enumerate((os.devnull, f"{folder}/stdout", f"{folder}/stderr")):
        opened = os.open(name, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.argv[1:] = words
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve()
