"""JSON web tokens at the front proxy: which are accepted, and whom they make a caller."""

from __future__ import annotations

import http.server
import json
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest
from envoy_backend import Backend
from envoy_front import Front, reason_of
from frontdoor.policies.identity import CLIENT_HEADER, Tokens
from json_web_tokens import AUDIENCE, ISSUER, HmacKey, OpensslKey, claims, token
from ordermesh.analytics.v1 import analytics_pb2, analytics_pb2_grpc
from waiting import await_true

from stack.identity.own_credentials import own_token, write_own_jwks
from stack.machine.state_folder import StateFolder

NOW = int(time.time())
SUMMARY = "/v1/analytics/sales-summary"


class Issuer(NamedTuple):
    """An Envoy that trusts an issuer of three keys, and the stack's own tokens."""

    front: Front
    state: StateFolder
    keys: dict[str, HmacKey | OpensslKey]


@pytest.fixture(scope="module")
def issuer(folder: Path, backend: Backend) -> Iterator[Issuer]:
    home = folder / "issuer"
    home.mkdir()
    keys: dict[str, HmacKey | OpensslKey] = {"HS256": HmacKey(b"k" * 32)}
    keys |= {name: OpensslKey(home, name) for name in ("ES256", "RS256")}
    jwks = home / "jwks.json"
    jwks.write_text(json.dumps({"keys": [key.jwk() for key in keys.values()]}))
    state = StateFolder(home)
    front = Front(folder, identity=Tokens(ISSUER, AUDIENCE, str(jwks), own_jwks=str(write_own_jwks(state))))
    yield Issuer(front, state, keys)
    front.stop()


def status_of(front: Front, sent: str, path: str = SUMMARY) -> int:
    return front.ask("GET", path, {"authorization": f"Bearer {sent}"}).status


@pytest.mark.parametrize("algorithm", ["HS256", "ES256", "RS256"])
def test_a_token_of_the_issuer_makes_its_subject_the_caller(issuer: Issuer, backend: Backend, algorithm: str) -> None:
    key = issuer.keys[algorithm]
    assert status_of(issuer.front, token(key, claims("operator", "ops@example"))) == 200
    assert status_of(issuer.front, token(key, claims("analyst"))) == 200
    assert status_of(issuer.front, token(key, claims("customer"))) == 403
    sent = {"authorization": f"Bearer {token(key, claims('customer', 'grace'))}", "x-ordermesh-client": "operator:x"}
    assert issuer.front.ask("GET", "/orders", sent).status == 200
    assert backend.seen.metadata[CLIENT_HEADER] == "customer:grace"
    assert "authorization" not in backend.seen.metadata


def test_a_token_may_come_as_the_session_cookie(issuer: Issuer) -> None:
    cookie = f"ordermesh_session={token(issuer.keys['HS256'], claims())}"
    assert issuer.front.ask("GET", SUMMARY, {"cookie": cookie}).status == 200


def test_a_token_of_the_stack_is_accepted(issuer: Issuer, backend: Backend) -> None:
    assert status_of(issuer.front, own_token(issuer.state), "/orders") == 200
    assert backend.seen.metadata[CLIENT_HEADER] == "operator:stack"
    assert status_of(issuer.front, own_token(issuer.state, lifetime_seconds=-3600)) == 401


@pytest.mark.parametrize("scheme", ["bearer", "BEARER"])
def test_the_scheme_of_a_token_has_no_case(issuer: Issuer, scheme: str) -> None:
    sent = {"authorization": f"{scheme} {token(issuer.keys['HS256'], claims())}"}
    assert issuer.front.ask("GET", SUMMARY, sent).status == 200
    sent = {"authorization": token(issuer.keys["HS256"], claims())}
    assert issuer.front.ask("GET", SUMMARY, sent).status == 401


def test_a_caller_is_made_of_one_token(issuer: Issuer, backend: Backend) -> None:
    key = issuer.keys["HS256"]
    customer, other = token(key, claims("customer", "alice")), token(key, claims(subject="bob", role=None))
    own = own_token(issuer.state)
    before = len(backend.seen.calls)
    for header, cookie in ((customer, other), (other, customer), (customer, own), (own, customer), (customer, "x")):
        sent = {"authorization": f"Bearer {header}", "cookie": f"ordermesh_session={cookie}"}
        assert issuer.front.ask("GET", "/orders", sent).status == 401
    for several in (f"Bearer {customer},Bearer {other}", f"Bearer {customer}, {other}", f"Bearer {customer} {other}"):
        assert issuer.front.ask("GET", "/orders", {"authorization": several}).status == 401
    cookies = f"ordermesh_session={customer}; ordermesh_session={other}"
    assert issuer.front.ask("GET", "/orders", {"cookie": cookies}).status == 401
    assert len(backend.seen.calls) == before


def test_a_subject_may_have_colons(issuer: Issuer, backend: Backend) -> None:
    for subject in ("bob:x", "operator:x", ":", "a:"):
        sent = token(issuer.keys["HS256"], claims("customer", subject))
        assert status_of(issuer.front, sent, "/orders") == 200
        assert backend.seen.metadata[CLIENT_HEADER] == f"customer:{subject}"
        assert status_of(issuer.front, sent) == 403


@pytest.mark.parametrize("header", [{"crit": ["x"]}, {"crit": []}, {"crit": "x"}, {"crit": ["exp"], "exp": NOW + 9}])
def test_a_token_with_a_header_that_has_to_be_understood_is_refused(issuer: Issuer, header: dict[str, Any]) -> None:
    for key in issuer.keys.values():
        sent = token(key, claims(), **header)
        answers = [issuer.front.ask("GET", SUMMARY, {"authorization": f"Bearer {sent}"}) for _ in range(2)]
        # The second time from the cache.
        assert [answer.status for answer in answers] == [401, 401]
        assert answers[0].json["details"][0]["reason"] == "UNAUTHENTICATED"


def test_an_audience_may_be_one_of_a_list(issuer: Issuer) -> None:
    assert status_of(issuer.front, token(issuer.keys["HS256"], claims(aud=["other", AUDIENCE]))) == 200
    assert status_of(issuer.front, token(issuer.keys["HS256"], claims(aud=["other", f"https://{AUDIENCE}"]))) == 401


REFUSED: dict[str, dict[str, Any]] = {
    "expired": {"exp": NOW - 3600},
    "without an expiry": {"exp": None},
    "not valid yet": {"nbf": NOW + 3600},
    "of another issuer": {"iss": "https://other.example"},
    "without an issuer": {"iss": None},
    "of the stack, signed by the issuer": {"iss": "ordermesh", "aud": "ordermesh"},
    "for another audience": {"aud": "other"},
    "without an audience": {"aud": None},
    "for an audience that is written as an address": {"aud": f"https://{AUDIENCE}/"},
    "for an audience with a slash": {"aud": f"{AUDIENCE}/"},
    "for the audience of the stack": {"aud": "ordermesh"},
}


@pytest.mark.parametrize("why", REFUSED)
def test_a_token_with_other_claims_is_refused(issuer: Issuer, why: str) -> None:
    sent = token(issuer.keys["ES256"], claims(**REFUSED[why]))
    answer = issuer.front.ask("GET", SUMMARY, {"authorization": f"Bearer {sent}"})
    assert (answer.status, answer.json["details"][0]["reason"]) == (401, "UNAUTHENTICATED")
    assert answer.headers["www-authenticate"] == 'Bearer realm="ordermesh"'
    assert answer.json["message"].startswith("no valid credentials: ")


@pytest.mark.parametrize("skew", [-30, 30])
def test_clocks_may_differ_by_less_than_a_minute(issuer: Issuer, skew: int) -> None:
    now = int(time.time())
    shifted = claims(nbf=now + skew) if skew > 0 else claims(exp=now + skew)
    assert status_of(issuer.front, token(issuer.keys["ES256"], shifted)) == 200


def test_a_token_ends_although_its_signature_was_verified_before(issuer: Issuer) -> None:
    """Within the minute by which clocks may differ."""
    sent = token(issuer.keys["ES256"], claims(exp=int(time.time()) - 54))
    assert [status_of(issuer.front, sent) for _ in range(3)] == [200, 200, 200]
    await_true(lambda: status_of(issuer.front, sent) == 401, lambda: "the token is still accepted")


def test_a_token_that_the_issuer_did_not_sign_is_refused(issuer: Issuer, tmp_path: Path) -> None:
    rsa = issuer.keys["RS256"]
    assert isinstance(rsa, OpensslKey)
    head, payload, signature = token(rsa, claims()).split(".")
    other = token(rsa, claims(subject="other")).split(".")
    forged = {
        "unsigned": token(None, claims()),
        "unsigned in capitals": token(None, claims(), alg="NONE"),
        "without a signature": f"{head}.{payload}.",
        "with the signature of another token": f"{head}.{payload}.{other[2]}",
        "with another payload": f"{head}.{other[1]}.{signature}",
        "of another key": token(OpensslKey(tmp_path, "RS256"), claims()),
        "with the public key as the secret": token(HmacKey(rsa.public_pem()), claims()),
        "with the secret of the stack": token(HmacKey(bytes.fromhex(issuer.state.token_key.read_text())), claims()),
        "with a key of its own in the header": token(HmacKey(b"x" * 32), claims(), jwk=HmacKey(b"x" * 32).jwk()),
        "not a token": "a.b.c",
        "a key": "om_" + "0" * 43,
        "empty": "",
    }
    assert {name: status_of(issuer.front, sent) for name, sent in forged.items()} == dict.fromkeys(forged, 401)


@pytest.mark.parametrize(
    "changed",
    [
        {"role": None},
        {"role": ""},
        {"role": "root"},
        {"role": "OPERATOR"},
        {"role": ["operator"]},
        {"role": "operator:x"},
        {"role": "operator:x", "sub": None},
        {"role": "customer:bob"},
        {"role": "customer:"},
        {"role": "operator,customer"},
        {"role": "operator "},
        {"role": "operator", "sub": 42},
        {"sub": None},
        {"sub": ""},
        {"sub": "a b"},
        {"sub": "a\r\nx-ordermesh-client: operator:x"},
        {"sub": "\u00e9"},
        {"sub": ["ops"]},
    ],
    ids=str,
)
def test_claims_that_name_no_caller_reach_no_service(issuer: Issuer, backend: Backend, changed: dict[str, Any]) -> None:
    before = len(backend.seen.calls)
    sent = token(issuer.keys["HS256"], claims(**changed))
    answer = issuer.front.ask("GET", "/orders", {"authorization": f"Bearer {sent}"})
    named = backend.seen.calls[before:]
    if changed in ({"sub": ["ops"]}, {"role": "operator", "sub": 42}):
        # A list is encoded by Envoy and is a subject of its own; it is not one that the list names.
        assert all(metadata[CLIENT_HEADER] != "operator:ops" for _, metadata in named)
    else:
        assert (answer.status, named) == (403, []) or (answer.status in (400, 401), named) == (True, [])


def test_a_refused_token_over_grpc_has_the_contracts_form(issuer: Issuer) -> None:
    with grpc.insecure_channel(issuer.front.target) as channel:
        call = analytics_pb2_grpc.AnalyticsServiceStub(channel).GetSalesSummary
        for sent, code in (
            (token(None, claims()), "UNAUTHENTICATED"),
            (token(issuer.keys["HS256"], claims("customer")), "PERMISSION_DENIED"),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                call(analytics_pb2.GetSalesSummaryRequest(), metadata=(("authorization", f"Bearer {sent}"),))
            assert caught.value.code().name == reason_of(caught.value) == code


def test_pages_are_open_without_a_token(issuer: Issuer) -> None:
    for path in ("/", "/docs", "/openapi.json", "/healthz"):
        assert issuer.front.ask("GET", path, {}).status == 200, path
    assert issuer.front.ask("GET", SUMMARY, {}).status == 401


@pytest.fixture
def keys_over_https(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Serve a JWKS over TLS; yield its address and the certificate."""
    certificate, key = tmp_path / "server.pem", tmp_path / "server.key"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    content = json.dumps({"keys": [HmacKey(b"h" * 32).jwk()]}).encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"https://localhost:{server.server_port}/jwks", certificate
        server.shutdown()
        thread.join()


def test_the_keys_of_an_issuer_may_come_from_an_address_with_a_trusted_certificate(
    start_front: Callable[..., Front], keys_over_https: tuple[str, Path]
) -> None:
    address, certificate = keys_over_https
    sent = token(HmacKey(b"h" * 32), claims())
    front = start_front(identity=Tokens(ISSUER, AUDIENCE, address, authorities=str(certificate)))
    await_true(lambda: status_of(front, sent) == 200, lambda: front.log.read_text()[-500:])
    assert status_of(front, token(HmacKey(b"x" * 32), claims())) == 401


def test_an_address_with_another_certificate_makes_no_token_valid(
    start_front: Callable[..., Front], keys_over_https: tuple[str, Path], tmp_path: Path
) -> None:
    address, _ = keys_over_https
    other = tmp_path / "other.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*made, "-keyout", tmp_path / "other.key", "-out", other], check=True, capture_output=True)
    front = start_front(identity=Tokens(ISSUER, AUDIENCE, address, authorities=str(other)))
    failed = r"cluster.jwks.ssl.fail_verify_error"
    await_true(lambda: front.statistic(failed) > 0, lambda: front.log.read_text()[-500:])
    assert status_of(front, token(HmacKey(b"h" * 32), claims())) == 401
