from pathlib import Path

import pytest

from loadgen import options as load_options
from loadgen.options import OptionError, Options, Protocol, Target
from loadgen.schedule import Constant, Ramp, Steps


def parse(argv: list[str]) -> Options:
    return load_options.parse(argv, target=lambda: ("http://127.0.0.1:18080", None))


def test_rate_and_duration_are_read_with_units() -> None:
    options = parse(["--rate", "1000", "--duration", "5m"])
    assert options.profile == Constant(1000)
    assert options.duration_seconds == 300


def test_ramp_and_steps_are_read() -> None:
    assert parse(["--ramp", "100:2000"]).profile == Ramp(100, 2000)
    assert parse(["--steps", "500,1000,2000"]).profile == Steps((500, 1000, 2000))


def test_a_batch_has_a_hundred_orders_unless_told() -> None:
    assert parse(["--protocol", "batch"]).batch_size == 100
    assert parse(["--protocol", "batch", "--batch-size", "7"]).batch_size == 7
    assert parse(["--protocol", "grpc"]).batch_size == 1


def test_the_defaults_are_rest_to_the_front_proxy_that_the_caller_knows() -> None:
    options = parse([])
    assert (options.protocol, options.target) == (Protocol.REST, Target("127.0.0.1", 18080))
    assert parse(["--target", "http://front:80"]).target == Target("front", 80)
    assert parse(["--target", "https://front"]).target == Target("front", 443, tls=True)
    assert options.reconcile
    assert options.exclusive


def test_without_a_target_nothing_is_loaded_by_chance() -> None:
    with pytest.raises(OptionError, match="--target: required"):
        load_options.parse([])


def test_a_seed_is_drawn_when_none_is_given() -> None:
    assert parse([]).seed != parse([]).seed
    assert parse(["--seed", "7"]).seed == 7


def test_switches_can_be_turned_off() -> None:
    options = parse(["--no-reconcile", "--no-exclusive"])
    assert not options.reconcile
    assert not options.exclusive


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--rate", "0"),
        ("--rate", "-5"),
        ("--rate", "nan"),
        ("--rate", "inf"),
        ("--rate", "fast"),
        ("--ramp", "100"),
        ("--ramp", "0:100"),
        ("--steps", "100,,200"),
        ("--duration", "30"),
        ("--duration", "0s"),
        ("--duration", "nans"),
        ("--duration", "5 days"),
        ("--customers", "0"),
        ("--products", "1001"),
        ("--products", "1.5"),
        ("--seed", "-1"),
        ("--protocol", "soap"),
        ("--max-in-flight", "0"),
        ("--retries", "many"),
        ("--timeout", "0ms"),
        ("--max-error-share", "1.5"),
        ("--reconcile-wait", "10m"),
        ("--target", "127.0.0.1:8080"),
        ("--target", "ftp://127.0.0.1"),
        ("--target", "http://127.0.0.1:8080/orders"),
        ("--target", "http://127.0.0.1:port"),
        ("--target", "http://127.0.0.1:99999"),
        ("--output", "/no/such/folder/result.json"),
        ("--batch-size", "0"),
    ],
)
def test_a_wrong_value_is_told_with_the_option_and_the_value(option: str, value: str) -> None:
    with pytest.raises(OptionError) as told:
        parse([option, value])
    assert str(told.value).startswith(option)
    assert value in str(told.value)
    assert "must be" in str(told.value)


@pytest.mark.parametrize(
    "argv",
    [["--rate", "1", "--ramp", "1:2"], ["--batch-size", "10"], ["--batch-size", "10", "--protocol", "rest"], ["--rat"]],
)
def test_options_that_do_not_go_together_are_told_by_name(argv: list[str]) -> None:
    with pytest.raises(OptionError, match=r"--r|--batch-size"):
        parse(argv)


def test_an_unknown_option_is_told_by_name() -> None:
    with pytest.raises(OptionError, match="--speed"):
        parse(["--speed", "9"])


def test_the_output_file_may_exist_but_not_be_a_folder(tmp_path: Path) -> None:
    assert parse(["--output", str(tmp_path / "result.json")]).output == tmp_path / "result.json"
    with pytest.raises(OptionError, match="--output"):
        parse(["--output", str(tmp_path)])
