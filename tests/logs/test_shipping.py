"""The real shipper and the real store: every line is there, once, whatever is restarted, rotated or full."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from log_store import LogStore
from shipper import Shipper
from waiting import await_true

from stack.errors import ServerFailed
from stack.processes.logfile import LogFile

pytestmark = [pytest.mark.long, pytest.mark.timeout(450)]
PATIENCE_SECONDS = 240
MOST_HITS = 10_000


class Writer:
    """A service that writes numbered lines to its log."""

    def __init__(self, folder: Path, limit_bytes: int = 1 << 30) -> None:
        self.name = f"writer-{secrets.token_hex(4)}"
        self.log = LogFile(folder / f"{self.name}.log", limit_bytes)
        self.written = 0

    def write(self, lines: int) -> None:
        """Write more lines."""
        texts = [self.line(self.written + n) for n in range(lines)]
        with open(self.log.open_append(), "w") as file:
            file.write("".join(texts))
        self.written += lines

    def line(self, number: int) -> str:
        """Return a line of the schema; several of them differ in their number alone."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        head = {"@timestamp": at, "log.level": "info", "message": "counted", "service.name": self.name}
        return json.dumps({**head, "ordermesh.orders": number, "error.message": "x" * 200}) + "\n"


@pytest.fixture
def shipper(store: LogStore, folder: Path, tmp_path: Path) -> Iterator[Shipper]:
    made = Shipper(folder, tmp_path / "state", store.address, store.certificate, queue=3_000)
    yield made
    made.kill()


def count(store: LogStore, name: str) -> int:
    """Return how many lines the store has of a log."""
    with suppress(ServerFailed, OSError):
        store.ask("POST", "/ordermesh-logs-*/_refresh")
        query = {"query": {"term": {"event.dataset": name}}}
        return int(store.ask("POST", "/ordermesh-logs-*/_count?ignore_unavailable=true", query)["count"])
    return -1


def numbers(store: LogStore, name: str) -> list[int]:
    """Return the numbers of all lines that the store has of a writer."""
    found: list[int] = []
    query: dict[str, Any] = {
        "size": MOST_HITS,
        "query": {"term": {"event.dataset": name}},
        # A number that is there twice would be found twice in one page.
        "sort": [{"ordermesh.orders": "asc"}],
        "_source": ["ordermesh.orders"],
    }
    while True:
        hits = store.ask("POST", "/ordermesh-logs-*/_search", query)["hits"]["hits"]
        if not hits:
            return found
        found += [hit["sort"][0] for hit in hits]
        query["search_after"] = hits[-1]["sort"]


def assert_each_once(store: LogStore, writer: Writer, shipper: Shipper) -> None:
    """Wait for the last line, and compare."""
    await_true(
        lambda: count(store, writer.name) >= writer.written,
        lambda: f"{count(store, writer.name)} of {writer.written}: {shipper.output.read_text()[-2000:]}",
        PATIENCE_SECONDS,
    )
    assert numbers(store, writer.name) == list(range(writer.written))
    assert count(store, writer.name) == writer.written
    assert not (shipper.state / "refused.jsonl").exists()


def test_the_configuration_is_right(shipper: Shipper) -> None:
    assert "error" not in shipper.check().lower()


def test_lines_survive_kills_of_the_shipper(store: LogStore, folder: Path, shipper: Shipper) -> None:
    writer = Writer(folder)
    for _ in range(3):
        shipper.start()
        writer.write(3_000)
        before = writer.written - 3_000
        # In the middle of its work.
        await_true(
            lambda before=before: count(store, writer.name) > before, "some of the lines are there", PATIENCE_SECONDS
        )
        shipper.kill()
        writer.write(500)
    shipper.start()
    assert_each_once(store, writer, shipper)


def test_a_store_that_is_killed_gets_everything_after_its_return_though_the_queue_was_full(
    store: LogStore, folder: Path, shipper: Shipper
) -> None:
    writer = Writer(folder)
    shipper.start()
    writer.write(500)
    await_true(lambda: count(store, writer.name) > 0, "some of the lines are there", PATIENCE_SECONDS)
    store.server.process.kill()
    # Several times what fits into the queue.
    writer.write(9_000)
    await_true(lambda: len(list(shipper.state.glob("lines*"))) > 0, "the queue is on disk")
    shipper.kill()
    shipper.start()
    writer.write(500)
    store.start()
    assert_each_once(store, writer, shipper)


def test_lines_of_a_rotated_file_are_there_once(store: LogStore, folder: Path, shipper: Shipper) -> None:
    writer = Writer(folder, limit_bytes=200_000)
    shipper.start()
    for _ in range(4):
        writer.write(1_000)
        # The shipper has begun with it: then a part is read from the copy.
        await_true(
            lambda: count(store, writer.name) > writer.written - 1_000, "some of the lines are there", PATIENCE_SECONDS
        )
        assert writer.log.rotate()
        writer.write(10)
        await_true(lambda: count(store, writer.name) >= writer.written, "the copy is read", PATIENCE_SECONDS)
    shipper.kill()
    writer.write(1_000)
    # Nobody reads it meanwhile.
    assert writer.log.rotate()
    writer.write(10)
    shipper.start()
    assert_each_once(store, writer, shipper)


def test_a_line_that_the_store_refuses_holds_nobody_up_and_is_kept_with_the_reason(
    store: LogStore, folder: Path, shipper: Shipper
) -> None:
    writer = Writer(folder)
    shipper.start()
    writer.write(10)
    with writer.log.path.open("a") as file:
        # A text where the schema has an object.
        file.write(f'{{"@timestamp":"{time.strftime("%Y-%m-%d")}T00:00:00Z","message":"x","log":"text"}}\n')
    writer.write(10)
    await_true(
        lambda: count(store, writer.name) == 20,
        lambda: f"{count(store, writer.name)}: {shipper.output.read_text()[-2000:]}",
        PATIENCE_SECONDS,
    )
    refused = shipper.state / "refused.jsonl"
    await_true(refused.exists, "it is put aside")
    assert "mapper_parsing_exception" in refused.read_text()


TEXTS = [
    ('2026-11-26 10:29:30.731 UTC [9] FATAL:  no "room"', "2026-11-26T10:29:30.731Z", "error"),
    ("2026-11-26 10:29:30.731 UTC [9] WARNING:  tab\there", "2026-11-26T10:29:30.731Z", "warning"),
    ("2026-11-26 10:29:31.000 UTC [9] LOG:  ready", "2026-11-26T10:29:31.000Z", "info"),
    ("Traceback (most recent call last):", None, "info"),
    ("{not JSON", None, "info"),
]


def test_a_line_of_text_gets_its_time_level_and_text(store: LogStore, folder: Path, shipper: Shipper) -> None:
    name = f"postgres-{secrets.token_hex(4)}"
    (folder / f"{name}.log").write_text("".join(f"{text}\n" for text, _, _ in TEXTS))
    shipper.start()
    await_true(lambda: count(store, name) == len(TEXTS), lambda: shipper.output.read_text()[-2000:], PATIENCE_SECONDS)
    query = {"size": 100, "query": {"term": {"event.dataset": name}}}
    hits = store.ask("POST", "/ordermesh-logs-*/_search", query)["hits"]["hits"]
    found = {hit["_source"]["message"]: hit["_source"] for hit in hits}
    for text, at, level in TEXTS:
        assert (found[text]["log.level"], found[text]["service.name"]) == (level, name)
        assert at is None or found[text]["@timestamp"] == at


def test_lines_in_dockers_files_are_those_of_this_projects_containers(
    store: LogStore, folder: Path, tmp_path: Path
) -> None:
    service = f"orders-{secrets.token_hex(4)}"
    shipper = Shipper(folder, tmp_path / "state", store.address, store.certificate, name="docker.conf")
    writer = Writer(tmp_path)
    for project, container in (("ordermesh", "a" * 64), ("another", "b" * 64)):
        (folder / container).mkdir()
        labels = {"com.docker.compose.project": project, "com.docker.compose.service": service}
        wrapped = [
            {"log": writer.line(n), "stream": "stdout", "attrs": labels, "time": "2026-11-26T10:29:30.731Z"}
            for n in range(20)
        ]
        # As Docker writes them: without spaces, the labels behind the line.
        texts = [json.dumps(one, separators=(",", ":")) + "\n" for one in wrapped]
        (folder / container / f"{container}-json.log").write_text("".join(texts))
    shipper.start()
    try:
        await_true(lambda: count(store, service) == 20, lambda: shipper.output.read_text()[-2000:], PATIENCE_SECONDS)
        assert numbers(store, service) == list(range(20))
    finally:
        shipper.kill()
