"""The session of the dashboard: from a link that works once, for one browser, until it is ended."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from dashboard_links import begun, code_of_link, command, cookie_of
from front_proxy import Platform
from waiting import await_true

from stack.identity.sessions import COMMANDS_SOCKET, GATEWAY_SOCKET

STATUS, CONTENT = "/v1/pipeline/status", "content-type: application/json"
NOBODY = 65_534
CONNECT = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"


def test_a_link_opens_one_session_and_its_code_is_in_no_log(closed: Platform) -> None:
    assert closed.curl("/login").status == 200
    code = code_of_link(closed)
    answer = begun(closed, code, "-H", "x-request-id: session-test")
    for attribute in ("HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"):
        assert attribute in answer.headers["set-cookie"]
    cookie = cookie_of(answer)
    assert closed.curl(STATUS).status == 401
    assert closed.curl(STATUS, *cookie).status == 200
    order = {"customerId": "any", "items": [{"productId": "p1", "quantity": 1, "price": 1}]}
    assert closed.post("/orders", order, *cookie).status == 200
    assert closed.post("/v1/pipeline:reconcile", {}, *cookie).status == 200
    again = begun(closed, code)
    assert (again.status, "set-cookie" in again.headers) == (403, False)
    assert begun(closed, "guessed").status == 403
    logs = closed.stack.context.state.logs
    await_true(lambda: "/session" in (logs / "access.log").read_text(), "the calls are logged")
    session = cookie[1].partition("=")[2]
    for log in logs.iterdir():
        text = log.read_text(errors="replace")
        assert code not in text, log
        assert session not in text, log


def test_streams_of_the_dashboard_end_with_the_session(closed: Platform) -> None:
    cookie = cookie_of(begun(closed, code_of_link(closed)))
    watch = ["curl", "-sN", "--max-time", "60", *cookie, f"{closed.stack.rest}/v1/orders:watchLines?heartbeatMs=500"]
    with subprocess.Popen(watch, stdout=subprocess.PIPE) as curl:
        assert curl.stdout is not None
        assert json.loads(curl.stdout.readline())["revision"]
        assert closed.curl("/session", "-X", "DELETE", *cookie).status == 204
        *_, last = (json.loads(line) for line in curl.stdout)
        assert last["ended"]["message"].endswith("credentials are to be shown again; resume with the revision")
        assert curl.wait() == 0


def test_sessions_end_one_by_one(closed: Platform) -> None:
    first, second = (cookie_of(begun(closed, code_of_link(closed))) for _ in range(2))
    ended = closed.curl("/session", "-X", "DELETE", *first)
    assert ended.status == 204
    assert "Max-Age=0" in ended.headers["set-cookie"]
    await_true(lambda: closed.curl(STATUS, *first).status == 401, "the session is refused")
    assert closed.curl(STATUS, *second).status == 200


def test_a_page_of_another_site_begins_and_ends_no_session(closed: Platform) -> None:
    code = code_of_link(closed)
    foreign = ("-H", "origin: http://evil.example")
    assert begun(closed, code, *foreign).status == 403
    cookie = cookie_of(begun(closed, code))
    assert closed.curl("/session", "-X", "DELETE", *cookie, *foreign).status == 403
    assert closed.curl(STATUS, *cookie).status == 200


def test_what_is_no_session_gets_no_further(closed: Platform) -> None:
    for path, method in (("/session", "GET"), ("/session", "PUT"), ("/login", "POST")):
        assert closed.curl(path, "-X", method, "-H", CONTENT).status in {405, 403}
    for cookie in ("ordermesh_session=", "ordermesh_session=operator:dashboard", "ordermesh_session=" + "x" * 4000):
        assert closed.curl(STATUS, "-H", f"cookie: {cookie}").status == 401


@pytest.mark.parametrize("name", [COMMANDS_SOCKET, GATEWAY_SOCKET])
def test_another_account_gets_no_code(closed: Platform, name: str) -> None:
    if os.geteuid() != 0:
        assert (closed.stack.context.run_dir / name).stat().st_mode & 0o077 == 0
        return
    tried = subprocess.run(
        ["/usr/bin/python3", "-c", CONNECT, str(closed.stack.context.run_dir / name)],
        user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, text=True,
    )  # fmt: skip
    assert "PermissionError" in tried.stderr


def test_what_is_done_with_keys_is_in_the_audit_log(closed: Platform) -> None:
    command(closed, "keys", "create", "--role", "analyst", "--name", "for the test")
    listed = command(closed, "keys", "list")
    (key_id,) = (line.split()[0] for line in listed.splitlines() if "for the test" in line)
    command(closed, "keys", "revoke", key_id)
    entries = [json.loads(line) for line in command(closed, "audit", "--json", "--since", "1h").splitlines()]
    made, revoked = (each for each in entries if key_id in (each["target"], (each["after"] or {}).get("id")))
    assert (made["action"], made["target"]) == ("keys create", "analyst:analyst")
    assert revoked["action"] == "keys revoke"


def test_what_is_done_with_certificates_and_the_key_of_tokens_is_in_the_audit_log(closed: Platform) -> None:
    command(closed, "certs", "create", "shop", "--host", "shop.example")
    command(closed, "certs", "renew", "shop", "--days", "1")
    command(closed, "tokens", "rotate")
    entries = [json.loads(line) for line in command(closed, "audit", "--json", "--since", "1h").splitlines()]
    found = [each for each in entries if each["action"].startswith(("certs", "tokens"))]
    assert [each["action"] for each in found] == ["certs create", "certs renew", "tokens rotate"]
    assert [each["target"] for each in found[:2]] == ["shop", "shop"]
    assert found[0]["after"]["hosts"] == found[1]["before"]["hosts"] == ["shop.example"]
