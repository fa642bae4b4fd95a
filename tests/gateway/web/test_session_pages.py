"""The code of a link becomes a cookie, which scripts cannot read and other sites cannot send."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from gateway.web import pages
from gateway.web.sessions import COOKIE
from stack.identity.sessions import COMMANDS_SOCKET, GATEWAY_SOCKET, Sessions, SessionServer


class Keys:
    """Credentials that are numbered."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.ended: list[str] = []

    def create(self, lifetime_seconds: float) -> str:
        self.made.append(f"om_key-{len(self.made)}")
        return self.made[-1]

    def end(self, credential: str) -> None:
        self.ended.append(credential)

    def revocations(self) -> int:
        return len(self.ended)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[TestClient[Any, Any], Sessions, Keys]]:
    keys = Keys()
    sessions = Sessions(keys)
    server = SessionServer(sessions, tmp_path / COMMANDS_SOCKET, tmp_path / GATEWAY_SOCKET, None, os.getpid)
    async with TestClient(TestServer(pages.application(str(tmp_path / GATEWAY_SOCKET)))) as client:
        yield client, sessions, keys
    server.close()


@pytest.mark.parametrize(
    "declared", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
async def test_a_body_that_a_form_could_send_uses_no_code(
    served: tuple[TestClient[Any, Any], Sessions, Keys], declared: str
) -> None:
    client, sessions, keys = served
    code = sessions.code()
    reply = await client.post("/session", data=json.dumps({"code": code}), headers={"content-type": declared})
    assert (reply.status, keys.made) == (415, [])
    assert (await reply.json())["details"][0]["reason"] == "UNSUPPORTED_MEDIA_TYPE"
    assert (await client.post("/session", json={"code": code})).status == 204


async def test_a_code_becomes_a_cookie_once(served: tuple[TestClient[Any, Any], Sessions, Keys]) -> None:
    client, sessions, keys = served
    code = sessions.code()
    reply = await client.post("/session", json={"code": code})
    assert reply.status == 204
    (cookie,) = reply.headers.getall("set-cookie")
    assert cookie.startswith(f"{COOKIE}={keys.made[0]};")
    for attribute in ("HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"):
        assert attribute in cookie
    assert "Secure" not in cookie
    again = await client.post("/session", json={"code": code})
    assert (again.status, "set-cookie" in again.headers) == (403, False)
    error = await again.json()
    assert (error["code"], error["details"][0]["reason"]) == (7, "PERMISSION_DENIED")
    assert "ordermesh open" in error["message"]


async def test_with_tls_the_cookie_is_sent_over_tls_only(served: tuple[TestClient[Any, Any], Sessions, Keys]) -> None:
    client, sessions, _ = served
    headers = {"x-forwarded-proto": "https"}
    reply = await client.post("/session", json={"code": sessions.code()}, headers=headers)
    assert "Secure" in reply.headers["set-cookie"]


async def test_the_end_of_a_session_ends_its_credential(served: tuple[TestClient[Any, Any], Sessions, Keys]) -> None:
    client, sessions, keys = served
    session = sessions.begin(sessions.code())
    reply = await client.delete("/session", headers={"cookie": f"{COOKIE}={session}"})
    assert (reply.status, keys.ended) == (204, [session])
    assert "Max-Age=0" in reply.headers["set-cookie"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"code": 7}',
        b'{"code": "a b"}',
        b'{"code": "\\n"}',
        b"\xff",
        b'{"code": "' + b"x" * 300 + b'"}',
    ],
)
async def test_any_other_body_opens_nothing(served: tuple[TestClient[Any, Any], Sessions, Keys], body: bytes) -> None:
    client, _, keys = served
    reply = await client.post("/session", data=body, headers={"content-type": "application/json"})
    assert (reply.status, keys.made) == (403, [])


@pytest.mark.parametrize("cookie", ["", "x" * 5000, "a b", "begin x"])
async def test_any_other_cookie_ends_nothing(served: tuple[TestClient[Any, Any], Sessions, Keys], cookie: str) -> None:
    client, _, keys = served
    reply = await client.delete("/session", headers={"cookie": f'{COOKIE}="{cookie}"'})
    assert (reply.status, keys.ended) == (204, [])


async def test_without_a_stack_there_are_no_sessions() -> None:
    async with TestClient(TestServer(pages.application(""))) as client:
        assert (await client.post("/session", json={"code": "x"})).status == 403
        assert (await client.get("/login")).status == 200
