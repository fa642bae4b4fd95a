"""The matrix in short with tokens of an issuer, and the stack's own commands beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest
from authorisation import FOREIGN, METHODS, OWN, CallerKind, Requests, expected, over_grpc
from dashboard_links import begun, code_of_link, cookie_of
from front_proxy import Platform
from frontdoor.filters.tokens import CLOCK_SKEW_SECONDS
from frontdoor.policies.identity import SESSION_COOKIE
from google.protobuf.descriptor import MethodDescriptor
from json_web_tokens import AUDIENCE, ISSUER, HmacKey, OpensslKey, claims, token
from ordermesh.orders.v1 import orders_pb2, orders_pb2_grpc
from seed import seeded_stack
from waiting import await_true

from stack.identity.own_credentials import own_token
from stack.running_stack import RunningStack

STATUS = "/v1/pipeline/status"


class World(NamedTuple):
    """A stack with an issuer, and who calls it."""

    stack: RunningStack
    callers: list[CallerKind]
    requests: Requests


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("issuer")
    keys = [HmacKey(b"k" * 32), OpensslKey(folder, "ES256"), OpensslKey(folder, "RS256")]
    jwks = folder / "jwks.json"
    jwks.write_text(json.dumps({"keys": [key.jwk() for key in keys]}))
    issuer = {"jwt_issuer": ISSUER, "jwt_audience": AUDIENCE, "jwt_jwks": str(jwks)}
    with seeded_stack(auth="jwt", **issuer) as stack, stack.channel() as channel:
        create = orders_pb2_grpc.OrderServiceStub(channel).CreateOrder
        item = orders_pb2.OrderItem(product_id="p1", quantity=1, price=1)
        orders = {
            customer_id: create(orders_pb2.CreateOrderRequest(customer_id=customer_id, items=[item])).order_id
            for customer_id in (OWN, FOREIGN)
        }
        roles = zip(("customer", "operator", "analyst"), keys, strict=True)
        callers = [caller(role, token(key, claims(role, OWN)), role) for role, key in roles]
        callers += [CallerKind("nobody", ()), caller("unsigned", token(None, claims()))]
        callers += [caller("expired", token(keys[1], claims(exp=1)))]
        yield World(stack, callers, Requests(orders))


def caller(name: str, sent: str, role: str = "") -> CallerKind:
    return CallerKind(name, (("authorization", f"Bearer {sent}"),), role)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: f"{method.containing_service.name}.{method.name}")
def test_every_caller_gets_what_the_contracts_say(world: World, method: MethodDescriptor) -> None:
    wrong = []
    with grpc.insecure_channel(world.stack.grpc) as channel:
        for each in world.callers:
            for customer in world.requests.customers(method):
                code = over_grpc(channel, method, world.requests.of(method, customer), each)
                if code not in expected(method, each, customer):
                    wrong.append((each.name, customer, code))
    assert wrong == []


def test_the_commands_of_the_stack_sign_their_own_tokens(world: World) -> None:
    env = {**os.environ, "ORDERMESH_HOME": str(world.stack.stack.state.home)}
    for words in (["verify"], ["load", "--rate", "20", "--duration", "1s"], ["status"]):
        command = [sys.executable, "-P", "-m", "cli", *words]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=100)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_link_opens_a_session_whose_cookie_is_a_token(world: World) -> None:
    platform = Platform(world.stack)
    code = code_of_link(platform)
    cookie = cookie_of(begun(platform, code))
    assert cookie[1].count(".") == 2
    assert platform.curl(STATUS).status == 401
    assert platform.curl(STATUS, *cookie).status == 200
    order = {"customerId": "any", "items": [{"productId": "p1", "quantity": 1, "price": 1}]}
    made = platform.post("/orders", order, *cookie)
    assert made.status == 200
    assert begun(platform, code).status == 403
    assert first_message(platform, "/v1/orders:watchLines", *cookie)["revision"]
    ended = platform.curl("/session", "-X", "DELETE", *cookie)
    assert (ended.status, "Max-Age=0" in ended.headers["set-cookie"]) == (204, True)
    # A token is valid until its end, also where it was copied from the cookie.
    assert platform.curl(STATUS, *cookie).status == 200
    logs = platform.stack.context.state.logs
    await_true(lambda: "/session" in (logs / "access.log").read_text(), "the calls are logged")
    for log in logs.iterdir():
        text = log.read_text(errors="replace")
        assert code not in text, log
        assert cookie[1].partition("=")[2] not in text, log


def first_message(platform: Platform, path: str, *options: str) -> dict[str, Any]:
    """Return the first message of a stream of lines of JSON."""
    with subprocess.Popen(["curl", "-sN", *options, platform.stack.rest + path], stdout=subprocess.PIPE) as curl:
        assert curl.stdout is not None
        line = curl.stdout.readline()
        curl.terminate()
    found: dict[str, Any] = json.loads(line)
    return found


def test_a_session_ends_with_its_token(world: World) -> None:
    platform, state = Platform(world.stack), world.stack.stack.state
    ending = own_token(state, subject="dashboard", lifetime_seconds=2 - CLOCK_SKEW_SECONDS)
    cookie = ("-H", f"cookie: {SESSION_COOKIE}={ending}")
    await_true(lambda: platform.curl(STATUS, *cookie).status == 401, "the token is refused after its time")
    answer = platform.curl(STATUS, *cookie)
    assert answer.json["details"][0]["reason"] == "UNAUTHENTICATED"
    tampered = own_token(state, subject="dashboard")[:-2] + "AA"
    assert platform.curl(STATUS, "-H", f"cookie: {SESSION_COOKIE}={tampered}").status == 401


@pytest.mark.parametrize(
    ("jwks", "said"),
    [
        ("", "setting ORDERMESH_JWT_JWKS: Value error, is required with ORDERMESH_AUTH=jwt"),
        ("http://issuer.example/jwks", "must be a file, or an address that begins with https://"),
        ("/no/such/file", "ORDERMESH_JWT_JWKS: /no/such/file cannot be read: No such file or directory"),
    ],
)
def test_an_issuers_keys_that_cannot_be_are_named(tmp_path: Path, jwks: str, said: str) -> None:
    issuer = {"ORDERMESH_JWT_ISSUER": ISSUER, "ORDERMESH_JWT_AUDIENCE": AUDIENCE, "ORDERMESH_JWT_JWKS": jwks}
    env = {**os.environ, **issuer, "ORDERMESH_AUTH": "jwt", "ORDERMESH_HOME": str(tmp_path)}
    command = [sys.executable, "-P", "-m", "cli", "up"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0
    assert said in " ".join(done.stderr.split())
