"""The matrix in short with tokens of an issuer, and the stack's own commands beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import grpc
import pytest
from authorisation import FOREIGN, METHODS, OWN, CallerKind, Requests, expected, over_grpc
from google.protobuf.descriptor import MethodDescriptor
from json_web_tokens import AUDIENCE, ISSUER, HmacKey, OpensslKey, claims, token
from ordermesh.orders.v1 import orders_pb2, orders_pb2_grpc
from seed import seeded_stack

from stack.running_stack import RunningStack


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
