"""The audit log of a platform with keys: who made and revoked them, whether the stack ran or not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from dashboard_links import begun, code_of_link
from front_proxy import Platform
from waiting import await_true


def command(platform: Platform, *words: str) -> str:
    env = {**os.environ, "ORDERMESH_HOME": str(platform.stack.context.state.home)}
    done = subprocess.run([sys.executable, "-m", "cli", *words], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done
    return done.stdout


def audit(platform: Platform, action: str) -> list[dict[str, Any]]:
    lines = command(platform, "audit", "--json", "--since", "1h", "--limit", "10000", "--action", action).splitlines()
    return [json.loads(line) for line in lines]


def test_a_key_that_was_made_before_the_start_is_in_the_audit_log(closed: Platform) -> None:
    (entry,) = (each for each in audit(closed, "keys create") if each["target"] == "analyst:before-start")
    assert entry["client_address"].endswith("without a terminal")
    assert entry["after"]["id"] in command(closed, "keys", "list")
    assert closed.stack.context.state.audit_spool.read_text() == ""


def test_a_key_that_is_made_and_revoked_while_the_stack_runs_is_there_at_once(closed: Platform) -> None:
    command(closed, "keys", "create", "--role", "analyst", "--subject", "audited")
    (made,) = (each for each in audit(closed, "keys create") if each["target"] == "analyst:audited")
    command(closed, "keys", "revoke", made["after"]["id"])
    (revoked,) = (each for each in audit(closed, "keys revoke") if each["target"] == made["after"]["id"])
    assert (revoked["before"]["client"], revoked["after"]) == ("analyst:audited", None)


def test_what_the_stack_makes_for_operators_is_in_the_audit_log(closed: Platform) -> None:
    (own,) = (each for each in audit(closed, "keys create") if each["target"] == "operator:stack")
    assert own["after"]["id"] in command(closed, "keys", "list")
    before = len(audit(closed, "session begin"))
    assert begun(closed, code_of_link(closed)).status == 204
    await_true(lambda: len(audit(closed, "session begin")) == before + 1, "the session is recorded")
    last = audit(closed, "session begin")[-1]
    assert last["target"] == "operator:dashboard"
    assert last["after"]["id"] in command(closed, "keys", "list")
