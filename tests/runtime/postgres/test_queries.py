"""Queries are read by name from .sql files."""

from pathlib import Path

import pytest

from runtime.postgres.queries import Queries


def test_queries_are_read_by_name_and_a_missing_one_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "sql_example"
    package.mkdir()
    (package / "__init__.py").touch()
    one, two = "-- name: one\n-- Says one.\nSELECT 1;\n", "-- name: two\n-- Says two.\nSELECT ';', 2;\n"
    (package / "q.sql").write_text(f"{one}\n{two}")
    monkeypatch.syspath_prepend(tmp_path)
    queries = Queries("sql_example", "q.sql")
    assert queries.names() == ["one", "two"]
    assert queries.one == "-- Says one.\nSELECT 1"
    assert queries.two.endswith("SELECT ';', 2")
    with pytest.raises(AttributeError, match=r"sql_example/q\.sql has no query three"):
        _ = queries.three
