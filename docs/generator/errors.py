"""The reasons of errors, from the contract's enum and the REST body above each of its values."""

from __future__ import annotations

import json

import grpc
from contract_reader import Contracts, example, prose
from frontdoor.replies import REPLIES
from openapi import HTTP_STATUS
from ordermesh.orders.v1.errors_pb2 import ErrorReason

from generator.markdown import head, table, wrapped

ENUM = "ordermesh.orders.v1.ErrorReason"
INTRO = """\
Every error carries a `google.rpc.ErrorInfo` with the domain `ordermesh` and one of these reasons. Over REST it is the
body `{"code","message","details"}` with the gRPC code in `code`; over gRPC it is in the status details.
"""


def page(contracts: Contracts) -> str:
    """Return the page."""
    codes = {status.value[0]: status.name for status in grpc.StatusCode}
    rows, parts = [], []
    for name, comment in contracts.enums[ENUM].values:
        body = example(comment)
        if not body:
            continue
        reply = json.loads(body)
        code = reply["code"]
        rows.append((f"[`{name}`](#{name.lower()})", codes[code], http_status(name, code), prose(comment)))
        parts.append(f"## {name}\n\n{wrapped(prose(comment))}\n\n```json\n{json.dumps(reply, indent=2)}\n```\n")
    intro = head("Errors", "`proto/ordermesh/orders/v1/errors.proto`", INTRO)
    return "\n".join([intro, table(("reason", "gRPC code", "HTTP status", "meaning"), rows), *parts])


def http_status(reason: str, code: int) -> str:
    """Return the statuses of local replies with this reason, else the one that Envoy makes of the code."""
    local = [status for status, reply in REPLIES.items() if ErrorReason.Name(reply.reason) == reason]
    return ", ".join(map(str, local or [HTTP_STATUS[code]]))
