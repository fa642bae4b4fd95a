from __future__ import annotations

import hashlib
import json
import os
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from compose_files import ROOT, SERVICES, make_secrets
from google.protobuf import descriptor_pb2

from runtime.kafka import access, topics
from runtime.process import shutdown
from runtime.settings import settings_of
from stack.servers.kafka.config import SETTINGS

OURS = {name for name, service in SERVICES.items() if service["image"].startswith("${ORDERMESH_IMAGE")}
AKHQ = yaml.safe_load((ROOT / "deploy/compose/akhq.yaml").read_text())
DECODING = AKHQ["akhq"]["connections"]["ordermesh"]
MAPPINGS: list[dict[str, str]] = DECODING["deserialization"]["protobuf"]["topics-mapping"]
KAFKA_USERS = {"ordermesh-broker", *access.USERS}
TOPICS = {letters: topic for topic, letters in topics.DEAD_LETTER_TOPICS.items()} | {t: t for t in topics.EVENT_TOPICS}


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_secrets(tmp_path_factory.mktemp("secrets"))


def descriptors() -> descriptor_pb2.FileDescriptorSet:
    """Return the descriptor set that the Kafka UI is given."""
    inside = f"{DECODING['deserialization']['protobuf']['descriptors-folder']}/{MAPPINGS[0]['descriptor-file']}"
    (mounted,) = (volume for volume in SERVICES["kafka-ui"]["volumes"] if f":{inside}:ro" in volume)
    return descriptor_pb2.FileDescriptorSet.FromString((ROOT / mounted.split(":")[0]).read_bytes())


@pytest.mark.parametrize("topic", TOPICS)
def test_the_kafka_ui_decodes_each_topic_as_what_its_events_say_they_are(topic: str) -> None:
    (mapping,) = (mapping for mapping in MAPPINGS if re.fullmatch(mapping["topic-regex"], topic))
    said = topics.CONTENT_TYPES[TOPICS[topic]].decode()
    assert said == f"application/x-protobuf; type={mapping['value-message-type']}"
    assert "key-message-type" not in mapping


def test_the_descriptor_set_of_the_kafka_ui_has_the_messages_and_each_file_after_its_imports() -> None:
    known: set[str] = set()
    messages: set[str] = set()
    for file in descriptors().file:
        assert known >= set(file.dependency), file.name
        known.add(file.name)
        messages |= {f"{file.package}.{message.name}" for message in file.message_type}
    assert messages >= {mapping["value-message-type"] for mapping in MAPPINGS}


def test_the_kafka_ui_asks_the_broker_of_the_compose_file() -> None:
    servers = DECODING["properties"]["bootstrap.servers"]
    assert servers == SERVICES["publisher"]["environment"]["ORDERMESH_KAFKA_BOOTSTRAP"]
    assert servers.split(":")[0] in SERVICES


def test_the_kafka_ui_shows_nothing_without_a_login_and_lets_nobody_change_a_topic(secrets: Path) -> None:
    # AKHQ's default group is that of everybody, also without a login.
    assert AKHQ["akhq"]["security"] == {"default-group": "no-roles"}
    assert AKHQ["micronaut"]["security"]["enabled"] is True
    _, *generated = SERVICES["kafka-ui"]["environment"]["MICRONAUT_CONFIG_FILES"].split(",")
    assert generated == ["/secrets/key.yml", "/secrets/login.yml", "/secrets/kafka.yml"]
    (key,) = yaml.safe_load((secrets / "kafka-ui/key.yml").read_text()).values()
    assert key == (secrets / "kafka-ui/key").read_text()
    digest = hashlib.sha256((secrets / "kafka-ui/login").read_bytes()).hexdigest()
    login = {"username": "reader", "groups": ["reader"], "password": digest}
    assert yaml.safe_load((secrets / "kafka-ui/login.yml").read_text()) == {"akhq.security.basic-auth": [login]}


def test_these_ports_are_published_and_each_asks_who_calls() -> None:
    """Every account reaches them. Envoy's statistics are the exception: numbers, and no commands."""
    published = {
        (name, port.rpartition(":")[2]) for name, service in SERVICES.items() for port in service.get("ports", ())
    }
    base = {("envoy", "8080"), ("envoy", "9902"), ("kafka-ui", "8080"), ("pgadmin", "8080")}
    assert published == base | {("grafana", "3000"), ("observe", "9411"), ("kibana", "5601")}
    assert SERVICES["envoy-config"]["environment"]["ORDERMESH_AUTH"] == "${ORDERMESH_AUTH:-keys}"
    pgadmin = SERVICES["pgadmin"]["environment"]
    assert pgadmin["PGADMIN_DEFAULT_PASSWORD_FILE"] == "/secrets/login"
    assert pgadmin.get("PGADMIN_CONFIG_SERVER_MODE", "True") == "True"


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_is_reached_from_this_machine_only_and_has_bounds(name: str) -> None:
    service = SERVICES[name]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.search(r":\D*\d+\.\d+", service["image"]), "an image has an exact tag"


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if service.get("restart") != "no"])
def test_a_container_that_stays_is_asked_whether_it_is_well(name: str) -> None:
    # AKHQ's image has a check of its own.
    assert "healthcheck" in SERVICES[name] or name == "kafka-ui" or name in OURS
    assert "HEALTHCHECK" in (ROOT / "Dockerfile").read_text()


def test_kafka_authenticates_everybody_and_is_reached_by_the_other_containers_only(secrets: Path) -> None:
    kafka = SERVICES["kafka"]
    assert "ports" not in kafka
    environment = kafka["environment"]
    listeners = environment["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")
    assert {listener.split(":")[1] for listener in listeners} == {"SASL_PLAINTEXT"}
    for name in ("socket.request.max.bytes", "queued.max.request.bytes", "queued.max.requests", "max.connections"):
        assert environment[f"KAFKA_{name.replace('.', '_').upper()}"] == SETTINGS[name]
    users = {path.name for path in (secrets / "kafka").iterdir()} - {"jaas.conf"}
    assert users == KAFKA_USERS


@pytest.mark.parametrize("name", sorted(OURS | {"postgres", "envoy"}))
def test_the_file_system_of_a_container_is_read_only(name: str) -> None:
    assert SERVICES[name]["read_only"] is True


def test_the_image_runs_as_a_user_without_rights() -> None:
    assert re.findall(r"^USER (.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE) == ["10001:10001"]


def test_every_password_reaches_its_container_as_a_file_that_is_made_at_the_first_start(secrets: Path) -> None:
    read = 0
    for service in SERVICES.values():
        volumes = dict(volume.split(":")[:2] for volume in service.get("volumes", ()))
        for setting, value in service.get("environment", {}).items():
            if re.search("PASSWORD|_DSN|PGPASS|_KEYS", setting):
                assert setting.endswith("_FILE"), setting
                (source,) = (source for source, inside in volumes.items() if inside == os.fspath(Path(value).parent))
                assert (secrets / source.removeprefix("secrets-") / Path(value).name).read_text()
                read += 1
    assert read == 15


def test_each_password_is_mounted_by_the_services_that_read_it_and_no_other() -> None:
    """The keys of tokens are those of every service that makes or reads tokens; what makes passwords mounts all."""
    readers: dict[str, list[str]] = {}
    for name, service in SERVICES.items():
        for volume in service.get("volumes", ()):
            if volume.startswith("secrets-") and name != "secrets":
                assert volume.endswith(":ro")
                readers.setdefault(volume.split(":")[0], []).append(name)
    shared = {volume: names for volume, names in readers.items() if len(names) > 1}
    assert shared == {"secrets-tokens": ["orders", "analytics", "gateway"]}
    made = {volume.split(":")[0] for volume in SERVICES["secrets"]["volumes"] if volume.startswith("secrets-")}
    assert set(readers) == made


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_container_gets_the_settings_of_its_program_only(name: str) -> None:
    service = SERVICES[name]
    program = " ".join(word for word in service.get("command", ())[:2] if not word.startswith("-"))
    program = "ordermesh" if "cli" in service.get("entrypoint", ()) else program
    given = {key: str(value) for key, value in service.get("environment", {}).items() if key.startswith("ORDERMESH_")}
    assert settings_of(program, given) == given


def test_the_databases_are_reached_by_the_other_containers_only_and_by_password() -> None:
    postgres = SERVICES["postgres"]
    assert "ports" not in postgres
    assert postgres["environment"]["POSTGRES_INITDB_ARGS"] == "--auth=scram-sha-256"


def test_passwords_that_exist_stay_and_no_two_are_alike(secrets: Path) -> None:
    before = {path: path.read_text() for path in secrets.glob("*/*")}
    make_secrets(secrets)
    assert {path: path.read_text() for path in secrets.glob("*/*")} == before
    passwords = [
        text
        for path, text in before.items()
        if path.parent.name == "postgres" or path.name in {"login", "key", "token_keys", *KAFKA_USERS}
    ]
    assert len(set(passwords)) == len(passwords) == 21
    assert all(re.fullmatch("[0-9a-f]{48}", password) for password in passwords)


def test_postgres_makes_a_role_for_each_password(secrets: Path) -> None:
    script = (ROOT / "deploy/compose/postgres-init.sh").read_text()
    (roles,) = re.findall(r"for role in (.*); do", script)
    assert {*roles.split(), "postgres"} == {path.name for path in (secrets / "postgres").iterdir()}


def test_pgadmin_knows_both_databases_and_where_the_password_is(secrets: Path) -> None:
    servers = json.loads((ROOT / "deploy/compose/pgadmin-servers.json").read_text())["Servers"].values()
    assert {server["MaintenanceDB"] for server in servers} == {"orders", "analytics"}
    host, port, database, user, _ = (secrets / "pgadmin/pgpass").read_text().split(":")
    for server in servers:
        assert (server["Host"], str(server["Port"]), server["Username"]) == (host, port, user)
        assert server["ConnectionParameters"]["passfile"] == ".pgpass"
    assert database == "*"


def seconds(text: str) -> float:
    """Read a duration as compose files have it."""
    assert text.endswith("s"), text
    return float(text.removesuffix("s"))


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_container_of_ours_is_given_the_time_that_its_drain_takes(name: str) -> None:
    assert seconds(SERVICES[name]["stop_grace_period"]) >= shutdown.STOP_SECONDS


def test_the_image_is_built_from_files_that_exist_and_are_not_ignored() -> None:
    """The last line of .dockerignore that matches a path decides, and everything is ignored first."""
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    kept = [line[1:].rstrip("/") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    sources = [source for words in copied for source in words.split()]
    assert "pyproject.toml" in sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(source == each or source.startswith(f"{each}/") for each in kept), f"{source} is ignored"


def test_the_image_is_given_every_folder_that_the_package_is_built_from() -> None:
    built = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    copied = re.findall(r"^COPY (\S+) \./", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    for source in [*built["packages"], *built["force-include"]]:
        assert any(Path(source).is_relative_to(folder) for folder in copied), source
