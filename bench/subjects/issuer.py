"""An issuer of JSON web tokens, as a platform with ORDERMESH_AUTH=jwt has one: ES256, the usual choice."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from bench.loads.bodies import CUSTOMER

ISSUER, AUDIENCE, KEY_ID = "https://issuer.example", "bench", "one"
TOKEN_SECONDS = 3600
COORDINATE_BYTES = 32


@dataclass(frozen=True)
class Issuer:
    """The settings that name an issuer to the platform, and a customer's token of it."""

    settings: dict[str, Any]
    token: str


def make_issuer(folder: Path) -> Issuer:
    """Make a key, write its JWKS into the folder, and sign a token."""
    key = ec.generate_private_key(ec.SECP256R1())
    point = key.public_key().public_numbers()
    jwk = {"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": KEY_ID, "x": number(point.x), "y": number(point.y)}
    jwks = folder / "jwks.json"
    jwks.write_text(json.dumps({"keys": [jwk]}))
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": CUSTOMER,
        "role": "customer",
        "exp": int(time.time()) + TOKEN_SECONDS,
    }
    head = {"alg": "ES256", "kid": KEY_ID, "typ": "JWT"}
    signed = ".".join(text(json.dumps(part).encode()) for part in (head, claims))
    pair = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    signature = text(b"".join(one.to_bytes(COORDINATE_BYTES, "big") for one in pair))
    settings = {"jwt_issuer": ISSUER, "jwt_audience": AUDIENCE, "jwt_jwks": str(jwks)}
    return Issuer(settings, f"{signed}.{signature}")


def number(coordinate: int) -> str:
    """Return a coordinate as a JWK has it."""
    return text(coordinate.to_bytes(COORDINATE_BYTES, "big"))


def text(content: bytes) -> str:
    """Return bytes in base64url without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
