"""Opens sessions of the dashboard as a browser does that was given a link."""

from __future__ import annotations

import os

import forked_programs
from front_proxy import Answer, Platform


def command(platform: Platform, *words: str) -> str:
    env = {**os.environ, "ORDERMESH_HOME": str(platform.stack.context.state.home), "BROWSER": "true", "COLUMNS": "400"}
    done = forked_programs.run("cli", *words, env=env)
    assert done.returncode == 0, done
    return done.stdout


def code_of_link(platform: Platform) -> str:
    link = command(platform, "open").splitlines()[0]
    address, _, code = link.partition("#")
    assert address == f"{platform.stack.rest}/login"
    return code


def begun(platform: Platform, code: str, *options: str) -> Answer:
    return platform.post("/session", {"code": code}, *options)


def cookie_of(answer: Answer) -> tuple[str, ...]:
    assert answer.status == 204, answer
    return ("-H", f"cookie: {answer.headers['set-cookie'].partition(';')[0]}")
