"""What is asked of the store of lines: its templates are loaded, old days deleted, lines searched."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from stack.errors import ServerFailed
from stack.machine.http_probe import connection_to, http_answers
from stack.observe.deployed import deployed

ANSWER_SECONDS = 30.0
# 408 until it has what it stores.
READY = "/_cluster/health?wait_for_status=yellow&timeout=0s"
INDEX = "ordermesh-logs-"
KEPT_DAYS = 7
JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Store:
    """An OpenSearch at a loopback port, asked with our certificate."""

    port: int
    tls: ssl.SSLContext

    def serves(self) -> bool:
        """Return whether it has recovered what it stores."""
        return http_answers(self.port, READY, tls=self.tls)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Return the answer to a request with a body of JSON. Raises ServerFailed for an error, OSError without one."""
        connection = connection_to(self.port, ANSWER_SECONDS, self.tls)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), JSON)
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status >= http.client.MULTIPLE_CHOICES:
            raise ServerFailed(f"{method} {path}: {response.status} {answer.decode(errors='replace')[:1000]}")
        return json.loads(answer)

    def prepare(self) -> None:
        """Load the templates that new indices get, and delete the days that are too old. As `ask` raises."""
        for part in ("fields", "lifecycle"):
            # OpenSearch has no lifecycle policies without a further plugin.
            file = deployed(f"logs/index/{'no-lifecycle' if part == 'lifecycle' else part}.json")
            self.ask("PUT", f"/_component_template/ordermesh-logs-{part}", json.loads(file.read_text()))
        template = json.loads(deployed("logs/index/template.json").read_text())
        self.ask("PUT", "/_index_template/ordermesh-logs", template)
        for name in old_indices(self.ask("GET", f"/{INDEX}*"), datetime.now(UTC).date()):
            self.ask("DELETE", f"/{name}")


def old_indices(names: Iterable[str], today: date) -> list[str]:
    """Return the indices of days before those that are kept; each is named by its day."""
    oldest = f"{INDEX}{today - timedelta(KEPT_DAYS - 1):%Y.%m.%d}"
    return sorted(name for name in names if name < oldest)
