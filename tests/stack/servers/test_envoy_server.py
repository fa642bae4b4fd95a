import json
import urllib.request
from pathlib import Path

import pytest

from stack.errors import SettingInvalid
from stack.machine import ports
from stack.machine.state_folder import StateFolder
from stack.processes.logfile import LogFile
from stack.servers.envoy import Envoy, validate

MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "envoy.extensions.filters.http.router.v3.Router"


def socket_address(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def write_config(path: Path, port: int, admin: Path, word: str) -> Path:
    route = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": word}}}
    manager = {
        "@type": f"type.googleapis.com/{MANAGER}",
        "stat_prefix": "front",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": f"type.googleapis.com/{ROUTER}"}}],
    }
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    listeners = [{"address": socket_address(port), "filter_chains": [chain]}]
    config = {"admin": {"address": {"pipe": {"path": str(admin)}}}, "static_resources": {"listeners": listeners}}
    path.write_text(json.dumps(config))
    return path


def test_several_envoys_serve_side_by_side_and_stop_cleanly(state: StateFolder, tmp_path: Path) -> None:
    running = []
    for word in ("one", "two"):
        (port,) = ports.allocate(1)
        admin = state.home / f"{word}.sock"
        config = write_config(tmp_path / f"{word}.yaml", port, admin, word)
        envoy = Envoy(config, admin, LogFile(tmp_path / f"{word}.log"))
        envoy.start()
        envoy.wait_ready(20)
        running.append((word, port, envoy))
    for word, port, envoy in running:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as reply:
            assert reply.read().decode() == word
        envoy.stop()
        assert envoy.process is not None
        assert envoy.process.ended_cleanly()


def test_an_invalid_configuration_is_rejected_with_the_invalid_field(tmp_path: Path) -> None:
    config = write_config(tmp_path / "wrong.yaml", *ports.allocate(1), tmp_path / "admin", "x")
    config.write_text(config.read_text().replace("stat_prefix", "stat_prefixes"))
    with pytest.raises(SettingInvalid, match="no such field: 'stat_prefixes'"):
        Envoy(config, tmp_path / "admin", LogFile(tmp_path / "log")).start()


def test_a_missing_configuration_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid, match=r"nowhere\.yaml"):
        validate(tmp_path / "nowhere.yaml")
