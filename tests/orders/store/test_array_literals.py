"""Array literals, read by PostgreSQL."""

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.postgres import arrays

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)


ROUND_TRIPS = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@ROUND_TRIPS
@given(st.lists(TEXT | st.sampled_from(["null", "NULL", "", "\\", '"', "{}", ","]), min_size=1))
def test_array_literals_preserve_any_texts(owner: psycopg.Connection, values: list[str]) -> None:
    assert owner.execute("SELECT %s::text[]", (arrays.quoted(values),)).fetchone() == (values,)


@ROUND_TRIPS
@given(st.lists(st.binary(max_size=40), min_size=1))
def test_array_literals_preserve_any_bytes(owner: psycopg.Connection, values: list[bytes]) -> None:
    assert owner.execute("SELECT %s::bytea[]", (arrays.binary(values),)).fetchone() == (values,)
