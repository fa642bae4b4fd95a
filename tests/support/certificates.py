"""Certificates for servers of tests, of an authority that is made with them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from stack.machine.ports import LOOPBACK


def certificate(folder: Path, name: str, *, signer: str | None = None) -> tuple[str, str]:
    """Create a key and a certificate for the loopback address, of its own or signed; return both as PEM."""
    key, made = folder / f"{name}.key", folder / f"{name}.pem"
    words = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    words += ["-subj", f"/CN={name}", "-keyout", str(key), "-out", str(made)]
    if signer is not None:
        signed = ["-CA", str(folder / f"{signer}.pem"), "-CAkey", str(folder / f"{signer}.key")]
        leaf = ["-addext", f"subjectAltName=IP:{LOOPBACK}", "-addext", "basicConstraints=critical,CA:FALSE"]
        words += [*signed, *leaf]
    subprocess.run(["openssl", "req", *words], check=True, capture_output=True)
    return key.read_text(), made.read_text()
