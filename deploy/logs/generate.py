"""Makes what the stores of logs are given from the schema: the mappings of the index, and Kibana's saved objects.

`python deploy/logs/generate.py` writes the files; `--check` fails when one is stale and names it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runtime.telemetry.log_fields import ALL_FIELDS, Kind

FOLDER = Path(__file__).parent
# A longer keyword is kept and not indexed.
KEYWORD_CHARACTERS = 1024
TYPES: dict[Kind, dict[str, Any]] = {
    "date": {"type": "date"},
    "keyword": {"type": "keyword", "ignore_above": KEYWORD_CHARACTERS},
    "text": {"type": "match_only_text"},
    "long": {"type": "long"},
    "double": {"type": "double"},
    "stored": {"type": "keyword", "index": False, "doc_values": False},
    "object": {"type": "object", "enabled": False},
}
# Messages are constant: they can be counted.
COUNTED = {"message": {"fields": {"keyword": TYPES["keyword"]}}}
SETTINGS = {
    "number_of_shards": 1,
    "auto_expand_replicas": "0-1",
    "codec": "best_compression",
    "refresh_interval": "5s",
    # A value of the wrong kind is kept and not indexed; its line is not refused.
    "mapping": {"ignore_malformed": True},
}
INDEX_PATTERN = "ordermesh-logs-*"
DATA_VIEW = "ordermesh-logs"
WHERE, REQUEST = ["service.name", "message"], ["http.request.method", "url.path", "http.response.status_code"]
# By title: the query, in KQL, and the columns.
SEARCHES = {
    "One order or call": ("trace.id: *", [*WHERE, "ordermesh.order_id", *REQUEST, "trace.id"]),
    "Errors": ("log.level: (error or critical)", [*WHERE, "error.type", "error.code", "error.message"]),
    "Outages": (
        'message: ("outage began" or "outage ended")',
        [*WHERE, "ordermesh.work", "ordermesh.component", "event.duration", "error.message"],
    ),
    "Components": (
        'event.dataset: supervisor or message: "component changed"',
        [*WHERE, "ordermesh.component", "ordermesh.state", "ordermesh.detail", "ordermesh.reason"],
    ),
    "Failed requests": (
        "service.name: envoy and http.response.status_code >= 500",
        [*REQUEST, "envoy.rpc", "envoy.response_code_details", "envoy.response_flags", "envoy.duration_ms"],
    ),
    "Refused requests": (
        "service.name: envoy and http.response.status_code >= 400 and http.response.status_code < 500",
        [*REQUEST, "envoy.caller", "envoy.response_code_details", "client.address"],
    ),
    "Slow requests": (
        "service.name: envoy and envoy.duration_ms >= 1000",
        [*REQUEST, "envoy.duration_ms", "envoy.upstream_duration_ms", "envoy.upstream_host"],
    ),
}


def fields() -> str:
    """Return the component template. Fields that the schema does not have are kept and not indexed."""
    mappings = {"dynamic": False, "properties": properties()}
    return json.dumps({"template": {"settings": {"index": SETTINGS}, "mappings": mappings}}, indent=2) + "\n"


def properties() -> dict[str, Any]:
    """Return the fields as objects: `log.level` is the field `level` of the object `log`."""
    found: dict[str, Any] = {}
    for name, field in sorted(ALL_FIELDS.items()):
        *parents, last = name.split(".")
        place = found
        for parent in parents:
            place = place.setdefault(parent, {"properties": {}})["properties"]
        place[last] = TYPES[field.kind] | COUNTED.get(name, {})
    return found


def saved_objects() -> str:
    """Return the data view and the saved searches, one JSON object a line, as Kibana imports them."""
    view = {"title": INDEX_PATTERN, "name": "ordermesh logs", "timeFieldName": "@timestamp"}
    found = [saved("index-pattern", DATA_VIEW, view, [])]
    found += [search(title, query, columns) for title, (query, columns) in SEARCHES.items()]
    return "".join(f"{json.dumps(each)}\n" for each in found)


def search(title: str, query: str, columns: list[str]) -> dict[str, Any]:
    """Return a saved search."""
    reference = "kibanaSavedObjectMeta.searchSourceJSON.index"
    source = {"query": {"language": "kuery", "query": query}, "filter": [], "indexRefName": reference}
    attributes = {
        "title": f"ordermesh: {title}",
        "description": "",
        "columns": columns,
        "sort": [["@timestamp", "desc"]],
        "kibanaSavedObjectMeta": {"searchSourceJSON": json.dumps(source)},
    }
    references = [{"id": DATA_VIEW, "name": reference, "type": "index-pattern"}]
    return saved("search", f"{DATA_VIEW}-{title.lower().replace(' ', '-')}", attributes, references)


def saved(kind: str, name: str, attributes: dict[str, Any], references: list[dict[str, str]]) -> dict[str, Any]:
    """Return a saved object in the format of Kibana 8.8 and later."""
    return {
        "id": name,
        "type": kind,
        "attributes": attributes,
        "references": references,
        "coreMigrationVersion": "8.8.0",
        "typeMigrationVersion": "8.0.0",
    }


FILES: dict[str, Callable[[], str]] = {
    "index/fields.json": fields,
    "kibana/saved-objects.ndjson": saved_objects,
}


def main() -> None:
    """Write the files, or check those that are there."""
    made = {FOLDER / name: make() for name, make in FILES.items()}
    if sys.argv[1:] == ["--check"]:
        stale = [str(path) for path, text in made.items() if not path.exists() or path.read_text() != text]
        sys.exit(f"stale, run `python deploy/logs/generate.py`: {', '.join(stale)}" if stale else 0)
    for path, text in made.items():
        path.write_text(text)


if __name__ == "__main__":
    main()
