"""What `ordermesh up --logs` starts: which rsyslog is taken, its configuration, and which days are kept."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from runtime.telemetry.log_fields import ALL_FIELDS, COMMON_FIELDS
from stack.downloads import debian
from stack.observe import programs
from stack.observe.logs import rsyslog
from stack.observe.logs.opensearch import LOGGING
from stack.observe.logs.rsyslog import LOCAL, MODULE, RSYSLOG, STORE, command_line, configuration, environment
from stack.observe.logs.store import old_indices
from stack.observe.programs import Found


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the root of a machine with rsyslog, without a module for OpenSearch."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(programs, "FURTHER", ())
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/rsyslogd").touch(0o755)
    (tmp_path / "usr/lib64/rsyslog").mkdir(parents=True)
    found = rsyslog.modules
    monkeypatch.setattr(rsyslog, "modules", lambda root: found(tmp_path if root == Path("/") else root))
    return tmp_path


def test_the_machines_own_rsyslog_is_taken_if_it_has_the_module(machine: Path) -> None:
    assert RSYSLOG.find(machine / "cache") is None
    (machine / "usr/lib64/rsyslog" / MODULE).touch()
    found = RSYSLOG.find(machine / "cache")
    assert found == Found(machine / "bin/rsyslogd")
    assert "-M" not in command_line(found, Path("/x.conf"))


def test_a_module_that_the_machine_lacks_is_taken_from_the_cache_with_its_libraries(machine: Path) -> None:
    folder = debian.folder_of("rsyslog-elasticsearch", machine / "cache")
    (folder / "usr/lib/x86_64-linux-gnu/rsyslog").mkdir(parents=True)
    found = RSYSLOG.find(machine / "cache")
    assert found == Found(machine / "bin/rsyslogd", folder)
    assert command_line(found, Path("/x.conf"))[-1] == (
        f"{machine}/usr/lib64/rsyslog:{folder}/usr/lib/x86_64-linux-gnu/rsyslog"
    )
    settings = environment(found, machine, machine, machine, "https://127.0.0.1:1")
    assert settings["LD_LIBRARY_PATH"] == f"{folder}/usr/lib/x86_64-linux-gnu"


def test_the_store_is_shown_a_certificate_where_there_is_one_only() -> None:
    outputs = configuration(LOCAL, certificate=False)[STORE].count('type="omelasticsearch"')
    assert outputs == 2
    for certificate, shown in ((True, outputs), (False, 0)):
        text = configuration(LOCAL, certificate=certificate)[STORE]
        assert text.count("tls.mycert=") == text.count("tls.myprivkey=") == shown


def test_days_before_the_last_seven_are_old() -> None:
    names = [f"ordermesh-logs-2026.{day}" for day in ("02.28", "03.01", "02.23", "02.22", "02.21")]
    assert old_indices(names, date(2026, 3, 1)) == ["ordermesh-logs-2026.02.21", "ordermesh-logs-2026.02.22"]


def test_the_stores_own_log_has_the_fields_of_every_line() -> None:
    names = set(re.findall(r'"([a-z@_.]+)":', LOGGING))
    assert {*COMMON_FIELDS} <= names <= set(ALL_FIELDS)
