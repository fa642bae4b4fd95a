"""`ordermesh outbox`: what it shows of events that are not published yet."""

import psycopg
import pytest
from click.testing import CliRunner, Result
from outbox_world import event, insert, order_ids

from cli.app import COMMANDS
from stack.errors import SettingInvalid


def run(*words: object) -> Result:
    command = COMMANDS["outbox"].load("outbox")
    return CliRunner().invoke(command, [str(word) for word in words], catch_exceptions=False)


@pytest.fixture(autouse=True)
def database(orders_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERMESH_ORDERS_DSN", orders_dsn)


def test_pending_events_are_listed_and_no_others(writer: psycopg.Connection) -> None:
    new, failed, sent, dead = order_ids(4)
    ids = insert(writer, *(event(order_id, 1) for order_id in (new, failed, sent, dead)))
    for number, status in zip(ids, ("NEW", "FAILED", "SENT", "DEAD"), strict=True):
        writer.execute("UPDATE event_outbox SET status = %s WHERE id = %s", (status, number))
    shown = run().stdout
    assert [order_id in shown for order_id in (new, failed, sent, dead)] == [True, True, False, False]
    assert failed in run("--status", "failed").stdout
    assert new not in run("--status", "failed").stdout
    assert new in run("--key", new, "--type", "order_created", "--older-than-minutes", 0).stdout
    assert "every event is published" in run("--older-than-minutes", 5).stdout


@pytest.mark.parametrize(("option", "word"), [("--type", "ORDER_CREATED"), ("--status", "FAILED")])
def test_an_unknown_value_is_refused_with_the_known_ones(option: str, word: str) -> None:
    with pytest.raises(SettingInvalid, match=word):
        run(option, "NOTHING")
