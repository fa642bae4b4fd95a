"""The credentials of the stack's own commands: an operator's key, or tokens that the stack signs."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from pathlib import Path

from runtime.audit.entries import Action
from runtime.audit.spool import Spool
from runtime.authentication import OWN_ISSUER, Authentication
from stack.identity.api_key import new_id
from stack.identity.envoy_files import write_for_envoy
from stack.identity.key_registry import KeyRegistry
from stack.identity.operator import origin
from stack.machine.files import write_private
from stack.machine.state_folder import StateFolder

SUBJECT, NAME = "stack", "commands of this stack"
SIGNING_KEY_BYTES = 32
# Longer than a load or a benchmark.
TOKEN_SECONDS = 24 * 3600


def own_credential(state: StateFolder, auth: Authentication) -> str | None:
    """Return an operator's key or token of the stack, None without authentication."""
    if auth == "off":
        return None
    return own_key(state) if auth == "keys" else own_token(state)


def own_key(state: StateFolder) -> str:
    """Return the stack's own operator key; make one when there is none in force."""
    path, registry = state.operator_key, KeyRegistry(state)
    known = path.read_text().strip() if path.exists() else ""
    if known and registry.knows(known):
        return known
    made_id = new_id()
    action = Action("keys create", f"operator:{SUBJECT}", None, {"id": made_id, "name": NAME})
    with Spool(state.audit_spool).recording(origin(), action):
        made = registry.create("operator", SUBJECT, NAME, key_id=made_id)
    write_private(path, f"{made}\n")
    return made


def own_token(
    state: StateFolder, role: str = "operator", subject: str = SUBJECT, lifetime_seconds: float = TOKEN_SECONDS
) -> str:
    """Return a token that the stack signs with its own key (HS256)."""
    now = int(time.time())
    claims = {"iss": OWN_ISSUER, "aud": OWN_ISSUER, "sub": subject, "role": role, "iat": now}
    head = encoded(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    body = encoded(json.dumps(claims | {"exp": now + int(lifetime_seconds)}).encode())
    signature = hmac.new(signing_key(state.token_key), f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{encoded(signature)}"


def write_own_jwks(state: StateFolder) -> Path:
    """Write the key of the stack's own tokens for Envoy; return the file."""
    key = {"kty": "oct", "alg": "HS256", "k": encoded(signing_key(state.token_key))}
    path = state.envoy / "own-jwks.json"
    write_for_envoy(path, {"keys": [key]})
    return path


def signing_key(path: Path) -> bytes:
    """Return the key that signs the stack's own tokens; make one when there is none."""
    if not path.exists():
        write_private(path, f"{secrets.token_hex(SIGNING_KEY_BYTES)}\n")
    return bytes.fromhex(path.read_text().strip())


def encoded(data: bytes) -> str:
    """Return bytes in base64 for URLs without padding, as JSON web tokens have it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
