"""`ordermesh outbox`: its output agrees with its effects."""

import psycopg
import pytest
from outbox_world import drain, event, floor, in_shard, insert, order_ids, publishing, status
from typer.testing import CliRunner, Result

from cli.pipeline.outbox import app
from orders.domain import events
from orders.domain.ids import uuid7
from orders.settings import PublisherSettings
from runtime.exit_codes import ExitCode
from stack.errors import SettingInvalid

DEAD = "UPDATE event_outbox SET status = 'DEAD', cause = %s WHERE id = ANY(%s)"


@pytest.fixture
def outbox(publisher_dsn: str, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("ORDERMESH_ORDERS_DSN", publisher_dsn)
    return CliRunner()


def dead(writer: psycopg.Connection, *made: events.OutboxEvent, cause: str = "Message size too large") -> list[int]:
    ids = insert(writer, *made)
    writer.execute(DEAD, (cause, ids))
    return ids


def run(outbox: CliRunner, *words: object, answer: str = "") -> Result:
    return outbox.invoke(app, [str(word) for word in words], input=answer, catch_exceptions=False)


@pytest.mark.parametrize("command", [["retry"], ["discard", "--yes"]])
def test_an_id_of_an_event_that_is_not_dead_is_reported_and_the_command_fails(
    outbox: CliRunner, writer: psycopg.Connection, command: list[str]
) -> None:
    waiting, *_ = insert(writer, event(*order_ids(1), 1))
    (one,) = dead(writer, event(*order_ids(1), 1))
    done = run(outbox, *command, 999_999, one, waiting, one)
    assert done.exit_code == ExitCode.DIFFERS
    assert f"{one}: " in done.stdout
    assert done.stdout.count("\n") == 1
    assert "999999: no DEAD event" in done.stderr
    assert f"{waiting}: no DEAD event" in done.stderr
    assert status(writer, waiting, one) == ["NEW", "NEW" if command[0] == "retry" else "DISCARDED"]


def test_all_dead_events_are_retried_and_counted(
    outbox: CliRunner, settings: PublisherSettings, writer: psycopg.Connection
) -> None:
    ids = dead(writer, *(event(order_id, 1) for order_id in order_ids(30)))
    done = run(outbox, "retry", "--all")
    assert (done.exit_code, done.stdout) == (0, "30 events will be published again\n")
    with publishing(settings) as publisher:
        drain(publisher)
    assert status(writer, *ids) == ["SENT"] * 30
    again = run(outbox, "retry", "--all")
    assert (again.exit_code, again.stdout) == (0, "no DEAD event matches\n")


def test_options_filter_dead_events(outbox: CliRunner, writer: psycopg.Connection) -> None:
    first, second, third = order_ids(3)
    created, paid = dead(writer, event(first, 1), event(second, 2))
    (refused,) = dead(writer, event(third, 1), cause="Broker: Policy violation")
    listed = run(outbox, "list", "--cause", "policy").stdout
    assert third in listed
    assert first not in listed
    assert run(outbox, "retry", "--all", "--older-than-minutes", 5).stdout == "no DEAD event matches\n"
    for words, meant in (
        (["--type", "payment_completed"], paid),
        (["--cause", "POLICY"], refused),
        (["--all", "--key", first, "--older-than-minutes", 0], created),
    ):
        assert run(outbox, "retry", *words).stdout == "1 event will be published again\n"
        assert status(writer, meant) == ["NEW"]


def test_discard_asks_with_the_number_of_events_and_needs_a_yes(outbox: CliRunner, writer: psycopg.Connection) -> None:
    ids = dead(writer, *(event(order_id, 1) for order_id in order_ids(3)))
    refused = run(outbox, "discard", "--all", answer="n\n")
    assert refused.exit_code != 0
    assert "3 events will never be counted" in refused.output
    assert status(writer, *ids) == ["DEAD"] * 3
    done = run(outbox, "discard", "--all", answer="y\n")
    assert done.exit_code == 0
    assert done.stdout.endswith("3 events discarded\n")
    assert status(writer, *ids) == ["DISCARDED"] * 3


@pytest.mark.parametrize("words", [["retry"], ["retry", "5", "--all"], ["discard", "--yes"], ["retry", str(2**63)]])
def test_a_command_without_a_selection_or_with_two_is_refused(outbox: CliRunner, words: list[str]) -> None:
    assert run(outbox, *words).exit_code == ExitCode.USAGE


def test_an_unknown_event_type_is_refused_with_the_known_ones(outbox: CliRunner) -> None:
    with pytest.raises(SettingInvalid, match="ORDER_CREATED"):
        run(outbox, "retry", "--type", "NOTHING")


def test_a_dead_stock_event_delays_no_other_event_of_its_product(
    outbox: CliRunner, settings: PublisherSettings, writer: psycopg.Connection
) -> None:
    first, second = dead(writer, *(events.restocked(uuid7(n), "p7", 3, 1, "") for n in (1, 2)))
    (later,) = insert(writer, events.restocked(uuid7(3), "p7", 3, 1, ""))
    with publishing(settings) as publisher:
        assert run(outbox, "retry", second).exit_code == 0
        drain(publisher)
    assert status(writer, first, second, later) == ["DEAD", "SENT", "SENT"]


def test_events_below_the_floor_are_published_when_all_are_retried(
    outbox: CliRunner, settings: PublisherSettings, writer: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orders.outbox.publisher.FLOOR_INTERVAL_SECONDS", -1.0)
    big, *others = in_shard(5, 8)
    (one,) = dead(writer, event(big, 1))
    with publishing(settings) as publisher:
        for order_id in others:
            insert(writer, event(order_id, 1))
            drain(publisher)
        assert floor(writer, 5) > one
        run(outbox, "retry", "--all")
        drain(publisher)
    assert status(writer, one) == ["SENT"]
