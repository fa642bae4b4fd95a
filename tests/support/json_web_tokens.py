"""JSON web tokens of issuers that tests play, signed with HMAC or by openssl."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import subprocess
import time
from pathlib import Path
from typing import Any

ISSUER, AUDIENCE = "https://issuer.example", "ordermesh-api"


def encoded(data: bytes) -> str:
    """Return base64 for URLs without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def claims(role: str = "operator", subject: str = "ops", **more: Any) -> dict[str, Any]:
    """Return claims of a token that is valid for an hour; None removes one."""
    made = {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "role": role, "exp": int(time.time()) + 3600} | more
    return {name: value for name, value in made.items() if value is not None}


class HmacKey:
    """A key of HS256."""

    algorithm = "HS256"

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def jwk(self) -> dict[str, str]:
        """Return the key for a JWKS."""
        return {"kty": "oct", "alg": self.algorithm, "k": encoded(self._secret)}

    def sign(self, data: bytes) -> bytes:
        """Return the signature."""
        return hmac.new(self._secret, data, hashlib.sha256).digest()


class OpensslKey:
    """A key of RS256 or ES256, made and used by openssl."""

    def __init__(self, folder: Path, algorithm: str) -> None:
        self.algorithm = algorithm
        self._path = folder / f"{algorithm}.pem"
        options = {
            "RS256": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
            "ES256": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        }[algorithm]
        openssl("genpkey", "-algorithm", *options, "-out", str(self._path))

    def jwk(self) -> dict[str, str]:
        """Return the public key for a JWKS."""
        if self.algorithm == "ES256":
            point = openssl("pkey", "-in", str(self._path), "-pubout", "-outform", "DER")[-64:]
            named = {"kty": "EC", "crv": "P-256", "x": encoded(point[:32]), "y": encoded(point[32:])}
        else:
            text = openssl("rsa", "-in", str(self._path), "-noout", "-modulus").decode()
            named = {"kty": "RSA", "n": encoded(bytes.fromhex(text.strip().partition("=")[2])), "e": "AQAB"}
        return named | {"alg": self.algorithm}

    def public_pem(self) -> bytes:
        """Return the public key as PEM."""
        return openssl("pkey", "-in", str(self._path), "-pubout")

    def sign(self, data: bytes) -> bytes:
        """Return the signature; that of ES256 as two numbers, as JWS has it."""
        signature = openssl("dgst", "-sha256", "-sign", str(self._path), data=data)
        return raw_signature(signature) if self.algorithm == "ES256" else signature


def openssl(*arguments: str, data: bytes = b"") -> bytes:
    """Run openssl and return its output."""
    return subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=True).stdout


def raw_signature(der: bytes) -> bytes:
    """Return r and s of an ECDSA signature of P-256 in DER, of 32 bytes each."""
    numbers, position = [], 2
    for _ in range(2):
        length = der[position + 1]
        numbers.append(int.from_bytes(der[position + 2 : position + 2 + length], "big").to_bytes(32, "big"))
        position += 2 + length
    return b"".join(numbers)


def token(key: HmacKey | OpensslKey | None, payload: dict[str, Any], **header: Any) -> str:
    """Return a signed token; without a key an unsigned one."""
    head = {"alg": key.algorithm if key else "none", "typ": "JWT"} | header
    data = f"{encoded(json.dumps(head).encode())}.{encoded(json.dumps(payload).encode())}"
    return f"{data}.{encoded(key.sign(data.encode())) if key else ''}"
