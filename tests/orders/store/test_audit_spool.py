"""Entries of commands wait in a file: durable before the change, in the audit log once, refused changes without one."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import psycopg
import pytest
from auditing import TESTER

from runtime.audit.entries import Action
from runtime.audit.spool import Spool

ROWS = "SELECT action, target, before, after, subject FROM audit_log WHERE target = ANY(%s) ORDER BY at"


def action(target: str) -> Action:
    return Action("keys revoke", target, {"client": "customer:c"}, None)


def found(owner: psycopg.Connection, *targets: str) -> list[Any]:
    return owner.execute(ROWS, (list(targets),)).fetchall()


def test_an_entry_is_durable_before_the_change_and_moves_once(tmp_path: Path, owner: psycopg.Connection) -> None:
    path = tmp_path / "spool"
    spool = Spool(path)
    with spool.recording(TESTER, action("first")):
        assert b'"first"' in path.read_bytes()
    with spool.recording(TESTER, action("second")):
        pass
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    waiting = path.read_bytes()
    spool.move(owner)
    # As after a crash between the commit and the emptying of the file, in the middle of another entry.
    path.write_bytes(waiting + b'{"at": "20')
    spool.move(owner)
    expected = [("keys revoke", each, {"client": "customer:c"}, None, "tester") for each in ("first", "second")]
    assert found(owner, "first", "second") == expected
    assert path.read_bytes() == b""


def test_a_refused_change_leaves_no_entry_and_a_full_disk_leaves_one(tmp_path: Path, owner: psycopg.Connection) -> None:
    spool = Spool(tmp_path / "spool")
    for target, error in (("refused", ValueError), ("half", OSError)):
        with pytest.raises(error), spool.recording(TESTER, action(target)):
            raise error
    spool.move(owner)
    assert [row[1] for row in found(owner, "refused", "half")] == ["half"]


def test_entries_stay_while_the_database_refuses_them(tmp_path: Path, owner: psycopg.Connection) -> None:
    spool = Spool(tmp_path / "spool")
    with spool.recording(TESTER, action("kept")):
        pass
    owner.execute("ALTER TABLE audit_log ADD CONSTRAINT is_full CHECK (target <> 'kept')")
    try:
        with pytest.raises(psycopg.errors.CheckViolation):
            spool.move(owner)
    finally:
        owner.execute("ALTER TABLE audit_log DROP CONSTRAINT is_full")
    assert found(owner, "kept") == []
    spool.move(owner)
    assert len(found(owner, "kept")) == 1
