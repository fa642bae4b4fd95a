"""The files of the profile `elk`, as far as they can be checked without its images."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from compose_files import COMPOSE, ROOT, SERVICES, make_secrets

from runtime.telemetry.log_fields import ALL_FIELDS
from stack.servers.postgres import SETTINGS

LOGS = ROOT / "deploy/logs"
OBJECTS: list[dict[str, Any]] = [
    json.loads(line) for line in (LOGS / "kibana/saved-objects.ndjson").read_text().splitlines()
]
SEARCHES = [one for one in OBJECTS if one["type"] == "search"]


def test_the_generated_files_are_those_of_the_schema() -> None:
    subprocess.run([sys.executable, LOGS / "generate.py", "--check"], check=True)


def test_each_saved_search_asks_the_data_view_for_fields_of_the_schema() -> None:
    (view,) = (one for one in OBJECTS if one["type"] == "index-pattern")
    assert len(SEARCHES) >= 5
    assert len({one["id"] for one in OBJECTS}) == len(OBJECTS)
    for search in SEARCHES:
        attributes = search["attributes"]
        source = json.loads(attributes["kibanaSavedObjectMeta"]["searchSourceJSON"])
        (reference,) = search["references"]
        assert (reference["name"], reference["id"]) == (source["indexRefName"], view["id"])
        asked = re.findall(r"([a-z_@][a-z_.]*)(?=:| >=| <)", re.sub(r'"[^"]*"', "", source["query"]["query"]))
        assert asked
        assert {*asked, *attributes["columns"]} <= set(ALL_FIELDS)


def test_the_data_view_the_template_and_the_roles_name_the_same_indices() -> None:
    template = json.loads((LOGS / "index/template.json").read_text())
    roles = [json.loads((LOGS / f"index/{name}-role.json").read_text()) for name in ("shipper", "reader")]
    names = [template["index_patterns"], *(role["indices"][0]["names"] for role in roles)]
    assert [[OBJECTS[0]["attributes"]["title"]]] * 3 == names
    assert 'string="ordermesh-logs-%$.day%"' in (LOGS / "rsyslog/store.conf").read_text()


def test_the_lifecycle_of_the_template_is_that_of_the_policy() -> None:
    settings = json.loads((LOGS / "index/lifecycle.json").read_text())["template"]["settings"]
    loader = (LOGS / "load.sh").read_text()
    assert f'_ilm/policy/{settings["index"]["lifecycle"]["name"]}"' in loader


def test_the_shipper_may_add_lines_and_neither_read_nor_change_them() -> None:
    role = json.loads((LOGS / "index/shipper-role.json").read_text())
    assert set(role["indices"][0]["privileges"]) == {"create_doc", "create_index"}


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_secrets(tmp_path_factory.mktemp("secrets"))


def test_each_login_is_the_same_for_who_sets_it_and_who_uses_it(secrets: Path) -> None:
    set_up = {path.name: path.read_text() for path in (secrets / "elk-setup").iterdir()}
    assert set_up["elastic"] == (secrets / "elasticsearch/elastic").read_text()
    assert set_up["shipper"] == (secrets / "log-shipper/shipper").read_text()
    assert set_up["reader"] == (secrets / "kibana/reader").read_text()
    kibana = yaml.safe_load((secrets / "kibana/kibana.yml").read_text())
    assert kibana["elasticsearch.password"] == set_up["kibana_system"]
    assert len(set(set_up.values())) == 4
    # Kibana refuses shorter ones.
    assert all(len(value) >= 32 for name, value in kibana.items() if name.endswith("encryptionKey"))


class Told(BaseHTTPRequestHandler):
    """Stands for Elasticsearch and Kibana: takes everything, and keeps what was asked."""

    asked: ClassVar[dict[tuple[str, str], tuple[str, str]]] = {}

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        self.asked[self.command, self.path] = (self.headers.get("authorization", ""), body)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"success":true}')

    do_GET = do_PUT = do_POST = answer

    def log_message(self, *_: object) -> None:
        pass


def test_the_loader_gives_the_store_and_kibana_all_of_it(secrets: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Told) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        settings = {"STORE": address, "KIBANA": address, "LOGINS": str(secrets / "elk-setup")}
        subprocess.run([LOGS / "load.sh"], env={**os.environ, **settings}, check=True, timeout=60)
        server.shutdown()
    assert {authorization[:6] for authorization, _ in Told.asked.values()} == {"Basic "}
    bodies = {path: body for (method, path), (_, body) in Told.asked.items() if method != "GET"}
    templates = {"ordermesh-logs-fields": "fields", "ordermesh-logs-lifecycle": "lifecycle"}
    for name, file in templates.items():
        assert json.loads(bodies[f"/_component_template/{name}"]) == json.loads(
            (LOGS / f"index/{file}.json").read_text()
        )
    assert json.loads(bodies["/_index_template/ordermesh-logs"])["composed_of"] == list(templates)
    shipper = json.loads(bodies["/_security/user/shipper"])
    assert shipper == {"password": (secrets / "elk-setup/shipper").read_text(), "roles": ["ordermesh-shipper"]}
    assert bodies["/_security/role/ordermesh-shipper"] == (LOGS / "index/shipper-role.json").read_text().replace(
        "\n", ""
    )
    assert '"type": "index-pattern"' in bodies["/api/saved_objects/_import?overwrite=true"]


def test_every_container_is_logged_with_the_labels_that_the_shipper_reads() -> None:
    reads = set(re.findall(r"com\\\\.docker\\\\.compose\\\\.(\w+)", (LOGS / "rsyslog/docker.conf").read_text()))
    for name, service in SERVICES.items():
        labels = service["logging"]["options"]["labels"].split(",")
        assert {f"com.docker.compose.{label}" for label in reads} == set(labels), name
    assert SERVICES["log-shipper"]["environment"]["LOGS_PROJECT"].endswith(f":-{COMPOSE['name']}}}")


def test_kafka_and_postgres_log_as_the_local_ones_do() -> None:
    mounted = {volume.split(":")[1]: volume.split(":")[0] for volume in SERVICES["kafka"]["volumes"]}
    file = SERVICES["kafka"]["environment"]["KAFKA_LOG4J_OPTS"].partition("=")[2]
    assert (ROOT / mounted[file]) == ROOT / "stack/servers/kafka/log4j2.xml"
    options = dict(word.split("=", 1) for word in SERVICES["postgres"]["command"] if "=" in word)
    names = ("log_line_prefix", "log_timezone", "log_error_verbosity", "log_min_error_statement")
    assert {name: options[name] for name in names} == {name: SETTINGS[name] for name in names}
