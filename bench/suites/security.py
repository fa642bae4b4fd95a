"""The price of authentication and TLS: the platform without and with each, in turn."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.loads.closed_model import GRPC, REST
from bench.measure.end_to_end import Run, peak
from bench.subjects.issuer import make_issuer
from bench.subjects.pipeline import Subject, product

# One customer sends everything: with a customer's limit, refusals would be part of the price.
UNLIMITED = {"customer_rate_limit_per_second": 1_000_000}
KEYS, TLS = {"auth": "keys", **UNLIMITED}, {"tls": "on"}
SUBJECTS: Mapping[str, Mapping[str, Any]] = {
    "auth off": {},
    "keys": KEYS,
    "jwt": {"auth": "jwt", **UNLIMITED},
    "TLS": TLS,
    "keys and TLS": KEYS | TLS,
}


def prices(rounds: int, seconds: float) -> Iterator[Run]:
    """Yield the peaks of each subject over REST and gRPC, in several rounds."""
    for _ in range(rounds):
        for name, settings in SUBJECTS.items():
            with protected(name, settings) as subject:
                for load in (REST, GRPC):
                    yield peak(subject, load, seconds)


@contextlib.contextmanager
def protected(name: str, settings: Mapping[str, Any]) -> Iterator[Subject]:
    """Run the platform with settings; with jwt it knows an issuer, and calls carry a token of that."""
    if settings.get("auth") != "jwt":
        with product(name, **settings) as subject:
            yield subject
        return
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        issuer = make_issuer(Path(folder))
        with product(name, **{**settings, **issuer.settings}) as subject:
            yield replace(subject, customer_credential=issuer.token)
