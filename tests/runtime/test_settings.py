import re
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict
from pydantic import Field, SecretStr

from gateway.settings import GatewaySettings
from orders.settings import DatabaseSettings, ServeSettings
from processor.settings import ServeSettings as AnalyticsSettings
from runtime.exit_codes import ExitCode
from runtime.kafka.settings import KafkaSettings
from runtime.settings import settings_of


class Example(KafkaSettings):
    example_dsn: SecretStr
    example_size: int = Field(default=4, ge=1, le=10)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("ORDERMESH_EXAMPLE_DSN", "postgresql://u:s3cret@h/d")
    return monkeypatch


def refused(capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        Example.load()
    assert ended.value.code == ExitCode.CONFIG
    return capsys.readouterr().err


def test_each_bad_setting_is_named_with_what_would_be_right_and_what_it_is(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.delenv("ORDERMESH_EXAMPLE_DSN")
    environment.setenv("ORDERMESH_EXAMPLE_SIZE", "eleven")
    environment.setenv("ORDERMESH_LOG_LEVEL", "loud")
    told = refused(capsys)
    assert "setting ORDERMESH_EXAMPLE_DSN is required (or ORDERMESH_EXAMPLE_DSN_FILE)\n" in told
    assert "setting ORDERMESH_EXAMPLE_SIZE: Input should be a valid integer" in told
    assert "(is 'eleven')" in told
    assert (
        "ORDERMESH_LOG_LEVEL: Value error, must have the levels debug, info, warning, error; has 'loud' (is 'loud')"
        in told
    )
    assert "Traceback" not in told


def test_a_number_out_of_range_is_told_with_the_range(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("ORDERMESH_EXAMPLE_SIZE", "11")
    assert "ORDERMESH_EXAMPLE_SIZE: Input should be less than or equal to 10 (is '11')" in refused(capsys)


def test_a_password_of_its_own_completes_the_uri_and_keeps_what_it_says(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secret = tmp_path / "password"
    secret.write_text("a b'c:/@\n")
    environment.delenv("ORDERMESH_EXAMPLE_DSN")
    environment.setenv("ORDERMESH_ORDERS_DSN", "postgresql://orders_app@one,two/orders?sslmode=require")
    environment.setenv("ORDERMESH_POSTGRES_PASSWORD_FILE", str(secret))
    known = conninfo_to_dict(DatabaseSettings.load().orders_dsn.get_secret_value())
    expected = {"user": "orders_app", "host": "one,two", "dbname": "orders", "sslmode": "require"}
    assert known.items() >= expected.items()
    assert known["password"] == "a b'c:/@"


def test_a_uri_that_cannot_get_its_password_is_named(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.delenv("ORDERMESH_EXAMPLE_DSN")
    environment.setenv("ORDERMESH_ORDERS_DSN", "postgresql://h/orders?no_such_parameter=1")
    environment.setenv("ORDERMESH_POSTGRES_PASSWORD", "s3cret")
    with pytest.raises(SystemExit):
        DatabaseSettings.load()
    told = capsys.readouterr().err
    assert "ORDERMESH_ORDERS_DSN: Value error, must be a PostgreSQL URI" in told
    assert "s3cret" not in told


@pytest.mark.parametrize("text", ["{not json", '{"sasl.password": 8472}', "[8472]", "8472"])
def test_bad_kafka_properties_are_named_and_never_shown(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str
) -> None:
    environment.setenv("ORDERMESH_KAFKA_PROPERTIES", text)
    told = refused(capsys)
    assert re.match("setting ORDERMESH_KAFKA_PROPERTIES(:| must be a JSON object)", told)
    assert "8472" not in told
    environment.delenv("ORDERMESH_KAFKA_PROPERTIES")
    (tmp_path / "properties").write_text(text)
    environment.setenv("ORDERMESH_KAFKA_PROPERTIES_FILE", str(tmp_path / "properties"))
    assert refused(capsys) == told


def test_secrets_come_from_files_and_are_not_shown(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret, properties = tmp_path / "dsn", tmp_path / "kafka.json"
    secret.write_text("postgresql://from/file\n")
    properties.write_text('{"sasl.password": "s3cret"}\n')
    environment.delenv("ORDERMESH_EXAMPLE_DSN")
    environment.setenv("ORDERMESH_EXAMPLE_DSN_FILE", str(secret))
    environment.setenv("ORDERMESH_KAFKA_PROPERTIES_FILE", str(properties))
    made = Example.load()
    assert made.example_dsn.get_secret_value() == "postgresql://from/file"
    assert made.kafka_properties == {"sasl.password": "s3cret"}
    assert made.shown()["example_dsn"] == "***"
    assert "s3cret" not in str(made.shown())
    assert "from/file" not in f"{made.shown()}{made.example_dsn!r}"


def test_a_secret_file_that_is_not_there_is_named_with_its_setting(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.delenv("ORDERMESH_EXAMPLE_DSN")
    environment.setenv("ORDERMESH_EXAMPLE_DSN_FILE", "/nonexistent/dsn")
    told = refused(capsys)
    assert "ORDERMESH_EXAMPLE_DSN_FILE" in told
    assert "/nonexistent/dsn" in told


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Example.load().example_size = 5


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("ORDERMESH_EXAMPLE_SIZ", "did you mean ORDERMESH_EXAMPLE_SIZE?"),
        ("ORDERMESH_EXAMPLE_DNS_FILE", "did you mean ORDERMESH_EXAMPLE_DSN_FILE?"),
        ("ORDERMESH_FRNT_PORT", "did you mean ORDERMESH_FRONT_PORT?"),
        ("ORDERMESH_QQQ", "`ordermesh settings` lists all"),
    ],
)
def test_a_variable_that_is_no_setting_of_any_program_is_refused_with_the_nearest_one(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, remedy: str
) -> None:
    environment.setenv(name, "1")
    assert f"setting {name} does not exist; {remedy}\n" in refused(capsys)


@pytest.mark.parametrize("name", ["ORDERMESH_FRONT_PORT", "ORDERMESH_ANALYTICS_DSN_FILE", "ORDERMESH_HOME"])
def test_a_setting_of_another_program_is_let_be(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.setenv(name, "1")
    assert Example.load().example_size == 4


def test_a_program_gets_its_own_settings_and_the_files_of_them_and_no_other() -> None:
    own = {"ORDERMESH_ORDERS_DSN_FILE": "/run/secrets/dsn", "ORDERMESH_LOG_LEVEL": "debug"}
    others = {
        "ORDERMESH_POSTGRES_ADMIN_DSN": "postgresql://postgres:secret@db/postgres",
        "ORDERMESH_ANALYTICS_DSN": "postgresql://analytics_worker:secret@db/analytics",
        "ORDERMESH_KAFKA_PROPERTIES": '{"sasl.password": "secret"}',
        "PATH": "/usr/bin",
    }
    assert settings_of("orders serve", own | others) == own
    with_kafka = own | {"ORDERMESH_KAFKA_PROPERTIES": '{"sasl.password": "secret"}'}
    assert settings_of("orders publish", own | others) == with_kafka
    names = ("ORDERMESH_ANALYTICS_DSN", "ORDERMESH_KAFKA_PROPERTIES")
    assert settings_of("processor serve", others) == {name: others[name] for name in names}


def test_a_setting_that_needs_a_package_names_the_extra_that_has_it(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("ORDERMESH_ORDERS_DSN", "postgresql://orders")
    environment.setenv("ORDERMESH_ORDERS_LANE_LISTEN", "unix:/tmp/lane.sock")
    environment.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        ServeSettings.load()
    told = capsys.readouterr().err
    assert "setting ORDERMESH_ORDERS_LANE_LISTEN: " in told
    assert "pip install 'ordermesh[lane]'" in told


LISTENERS = {
    "ORDERMESH_ORDERS_LISTEN": ServeSettings,
    "ORDERMESH_ORDERS_LANE_LISTEN": ServeSettings,
    "ORDERMESH_ANALYTICS_LISTEN": AnalyticsSettings,
    "ORDERMESH_GATEWAY_LISTEN": GatewaySettings,
}


@pytest.fixture
def complete(environment: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    environment.delenv("ORDERMESH_EXAMPLE_DSN")
    for name in ("ORDERS", "ANALYTICS"):
        environment.setenv(f"ORDERMESH_{name}_DSN", "postgresql://somewhere")
    environment.setenv("ORDERMESH_TOKEN_KEYS", "k" * 32)
    return environment


@pytest.mark.parametrize("name", LISTENERS)
def test_a_service_takes_no_calls_of_other_machines_without_authentication(
    complete: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    # As if the engine of the fast lane was there.
    complete.setattr("importlib.util.find_spec", lambda name: object())
    complete.setenv(name, "0.0.0.0:50051")
    with pytest.raises(SystemExit):
        LISTENERS[name].load()
    told = capsys.readouterr().err
    assert f"setting {name} must be a Unix socket or a port on loopback without authentication" in told
    assert "is 0.0.0.0:50051: set ORDERMESH_AUTH to keys or jwt" in told
    complete.setenv("ORDERMESH_AUTH", "keys")
    LISTENERS[name].load()


@pytest.mark.parametrize("address", ["127.0.0.1:50051", "localhost:50051", "[::1]:50051", "unix:/tmp/service.sock"])
def test_a_service_of_this_machine_may_take_calls_without(complete: pytest.MonkeyPatch, address: str) -> None:
    complete.setattr("importlib.util.find_spec", lambda name: object())
    for name, kind in LISTENERS.items():
        complete.setenv(name, address)
        assert kind.load().auth == "off"
