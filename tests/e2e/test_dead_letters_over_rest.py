"""A dead letter over REST: found by its group, shown, tried, discarded; all through the front proxy."""

from __future__ import annotations

import base64
import os
from typing import Any

from bad_records import dead_letter
from front_proxy import Platform


def state_of(platform: Platform, dead_letter_id: str) -> tuple[str, list[Any]]:
    shown = platform.curl(f"/v1/dead-letters/{dead_letter_id}").json
    return shown["deadLetter"]["state"], shown["changes"]


def test_a_record_that_is_no_event_goes_over_the_desk(platform: Platform) -> None:
    value = os.urandom(40) + b"\xff"
    dead_letter_id = dead_letter(platform, "stock", value)
    groups = platform.curl("/v1/dead-letters:summary").json["groups"]
    assert ("PROCESSOR", "stock", "UNDECODABLE") in {(one["source"], one["topic"], one["reason"]) for one in groups}
    listed = platform.curl("/v1/dead-letters?source=PROCESSOR&topic=stock&reason=UNDECODABLE&pageSize=1000").json
    assert dead_letter_id in [one["deadLetterId"] for one in listed["deadLetters"]]
    shown = platform.curl(f"/v1/dead-letters/{dead_letter_id}").json
    assert base64.b64decode(shown["value"]) == value
    assert {one["name"] for one in shown["causeHeaders"]} >= {"dlq-reason", "dlq-offset"}
    wanted = {"deadLetterIds": [dead_letter_id]}
    tried = platform.post("/v1/dead-letters:discard", wanted | {"validateOnly": True}).json
    assert tried["results"] == [{"deadLetterId": dead_letter_id, "error": ""}]
    assert state_of(platform, dead_letter_id) == ("OPEN", [])
    assert platform.post("/v1/dead-letters:discard", wanted).json["results"][0]["error"] == ""
    state, (change,) = state_of(platform, dead_letter_id)
    assert (state, change["action"], change["clientAddress"]) == ("DISCARDED", "DiscardDeadLetters", "127.0.0.1")


def test_a_dead_letter_that_is_none_is_not_found(platform: Platform) -> None:
    answer = platform.curl("/v1/dead-letters/outbox.0")
    assert (answer.status, answer.json["details"][0]["reason"]) == (404, "DEAD_LETTER_NOT_FOUND")
