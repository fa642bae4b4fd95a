"""What errors of PostgreSQL mean, by their codes in the appendix of its manual."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg_pool import PoolTimeout

from runtime.postgres.sqlstates import ClientError, PoolBusy, Retry, classify, of_code

CONNECTION_ERRORS = ["08000", "08001", "08003", "08004", "08006", "08007", "08P01"]
SESSION_ENDS = ["25P03", "25P04", "57P01", "57P02", "57P03", "57P04", "57P05"]


def known_codes() -> Iterator[str]:
    for error in vars(psycopg.errors).values():
        if isinstance(error, type) and issubclass(error, psycopg.Error) and error.sqlstate:
            yield error.sqlstate


@pytest.mark.parametrize("code", [*CONNECTION_ERRORS, *SESSION_ENDS])
def test_an_error_that_ends_the_session_leaves_open_whether_the_commit_happened(code: str) -> None:
    found = of_code(code)
    assert found.drops_connection
    assert found.leaves_outcome_unknown
    assert (found.retry, found.client_error) == (Retry.LATER, ClientError.UNAVAILABLE)


@pytest.mark.parametrize("code", ["40001", "40P01"])
def test_who_lost_a_conflict_may_try_at_once_on_the_same_connection(code: str) -> None:
    found = of_code(code)
    assert found.retry is Retry.IMMEDIATELY
    assert not found.drops_connection
    assert not found.leaves_outcome_unknown


def test_a_server_that_turned_read_only_is_left_and_nothing_was_changed() -> None:
    found = classify(psycopg.errors.ReadOnlySqlTransaction())
    assert found.drops_connection
    assert (found.retry, found.client_error) == (Retry.LATER, ClientError.UNAVAILABLE)
    assert not found.leaves_outcome_unknown


@pytest.mark.parametrize("code", ["53100", "53200"])
def test_a_server_that_is_short_of_something_is_asked_again_later(code: str) -> None:
    found = of_code(code)
    assert (found.retry, found.client_error) == (Retry.LATER, ClientError.UNAVAILABLE)
    assert not found.leaves_outcome_unknown


@pytest.mark.parametrize("code", ["40001", "40P01", "55006", "55P03", "57014"])
def test_a_conflict_with_other_sessions_is_an_overload(code: str) -> None:
    """Deadlock, lock not available, a statement that waited for too long: the server answered."""
    found = of_code(code)
    assert found.client_error is ClientError.OVERLOADED
    assert not found.leaves_outcome_unknown


@pytest.mark.parametrize("code", ["22003", "22P05", "23505", "23514", "54000"])
def test_values_that_are_refused_are_their_rows_fault(code: str) -> None:
    found = of_code(code)
    assert found.rejects_row
    assert (found.retry, found.client_error) == (Retry.NEVER, ClientError.INTERNAL)


@pytest.mark.parametrize("code", ["42P01", "42501", "42601", "3D000", "P0001"])
def test_what_the_program_or_the_schema_has_wrong_is_never_tried_again(code: str) -> None:
    assert (of_code(code).retry, of_code(code).client_error) == (Retry.NEVER, ClientError.INTERNAL)


def test_every_code_that_leaves_the_commit_open_gives_up_its_connection() -> None:
    codes = set(known_codes())
    assert len(codes) > 200
    assert all(of_code(code).drops_connection for code in codes if of_code(code).leaves_outcome_unknown)


def test_errors_without_a_code_are_a_lost_connection_a_full_pool_or_a_wrong_value() -> None:
    assert classify(psycopg.OperationalError("server closed the connection unexpectedly")).leaves_outcome_unknown
    assert classify(psycopg.InterfaceError("the connection is closed")).drops_connection
    assert not classify(PoolTimeout("couldn't get a connection")).leaves_outcome_unknown
    assert classify(PoolTimeout("couldn't get a connection")).client_error is ClientError.UNAVAILABLE
    assert classify(PoolBusy("all connections are in use")).client_error is ClientError.OVERLOADED
    assert classify(psycopg.DataError("cannot dump")).rejects_row
    assert classify(ValueError("no database error")).client_error is ClientError.INTERNAL
