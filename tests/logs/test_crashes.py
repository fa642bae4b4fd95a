"""The real shipper and a slow store of its own protocol: what is killed, full or refused at the worst moment."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from shipper import Shipper
from test_shipping import Writer
from waiting import await_true

pytestmark = [pytest.mark.long, pytest.mark.timeout(200)]
BULK_SECONDS = 0.3
QUEUE = 3_000


class SlowStore(ThreadingHTTPServer):
    """Takes bulk requests as Elasticsearch does: a document of an id that exists is a conflict."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Bulk)
        self.documents: dict[tuple[str, str], dict[str, Any]] = {}
        self.conflicts = 0

    def create(self, action: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
        """Add a document; return its part of the answer."""
        name = (action["_index"], action["_id"])
        answer = {"_index": name[0], "_id": name[1], "status": 201}
        if isinstance(document["message"], dict):
            answer |= {"status": 400, "error": {"type": "mapper_parsing_exception", "reason": "an object"}}
        elif name in self.documents:
            self.conflicts += 1
            answer |= {"status": 409, "error": {"type": "version_conflict_engine_exception", "reason": "it exists"}}
        else:
            self.documents[name] = document
        return {"create": answer}

    def numbers(self) -> list[int]:
        """Return the numbers of the lines."""
        return sorted(document["ordermesh.orders"] for document in list(self.documents.values()))


class Bulk(BaseHTTPRequestHandler):
    """Answers requests."""

    protocol_version = "HTTP/1.1"
    server: SlowStore

    def do_POST(self) -> None:
        lines = self.rfile.read(int(self.headers["content-length"])).decode().splitlines()
        time.sleep(BULK_SECONDS)
        pairs = zip(map(json.loads, lines[::2]), map(json.loads, lines[1::2]), strict=True)
        items = [self.server.create(action["create"], document) for action, document in pairs]
        errors = any("error" in item["create"] for item in items)
        self._answer(json.dumps({"took": 1, "errors": errors, "items": items}).encode())

    def do_HEAD(self) -> None:
        self._answer(b"")

    do_GET = do_HEAD

    def _answer(self, body: bytes) -> None:
        # The shipper may be killed while it waits.
        with suppress(OSError):
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def slow_store() -> Iterator[SlowStore]:
    with SlowStore() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_no_line_is_lost_or_doubled_by_kills_in_the_middle_of_a_full_queue(
    slow_store: SlowStore, folder: Path, tmp_path: Path
) -> None:
    shipper = Shipper(folder, tmp_path / "state", f"http://127.0.0.1:{slow_store.server_port}", queue=QUEUE)
    writer = Writer(folder)
    try:
        for _ in range(3):
            before = len(slow_store.documents)
            shipper.start()
            # More than fits into the queue.
            writer.write(2 * QUEUE)
            await_true(lambda before=before: len(slow_store.documents) > before, lambda: shipper.output.read_text())
            shipper.kill()
            writer.write(500)
        with writer.log.path.open("a") as file:
            file.write('{"@timestamp":"2026-11-27T00:00:00Z","message":{"a":1},"service.name":"x"}\n')
        writer.write(10)
        shipper.start()
        await_true(lambda: len(slow_store.documents) >= writer.written, lambda: str(len(slow_store.documents)))
        assert slow_store.numbers() == list(range(writer.written))
        # Lines were sent again after each kill: by their ids the store knew them.
        assert slow_store.conflicts > 0
        refused = shipper.state / "refused.jsonl"
        await_true(refused.exists, "the line that the store refuses is put aside")
        assert "mapper_parsing_exception" in refused.read_text()
    finally:
        shipper.kill()
