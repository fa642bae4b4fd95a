"""The certificate of the controllers of a cluster, by which each knows that it reaches another one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from stack.machine.files import write_private
from stack.machine.ports import LOOPBACK

NAME = "ordermesh-controllers"
DAYS = 3650
PREFIX = "listener.name.controller.ssl"


@dataclass(frozen=True)
class ControllerTls:
    """The authority that the controllers trust, and the certificate and key that they share, as PEM."""

    authority: str
    certificate: str
    key: str

    def __repr__(self) -> str:
        return f"ControllerTls({NAME})"

    def properties(self) -> Mapping[str, str]:
        """Return a broker's properties."""
        return {
            "listener.security.protocol.map": "CLIENTS:SASL_PLAINTEXT,CONTROLLER:SASL_SSL",
            f"{PREFIX}.keystore.type": "PEM",
            f"{PREFIX}.keystore.key": self.key,
            f"{PREFIX}.keystore.certificate.chain": self.certificate,
            f"{PREFIX}.truststore.type": "PEM",
            f"{PREFIX}.truststore.certificates": self.authority,
        }


def load_or_create(path: Path) -> ControllerTls:
    """Read the file, which is made when it is missing; its authority signs nothing else."""
    if not path.exists():
        write_private(path, json.dumps(asdict(create())))
    return ControllerTls(**json.loads(path.read_text()))


def create() -> ControllerTls:
    """Return a new certificate."""
    # Only a cluster needs the library.
    from stack.certificates.authority import issue, make_authority

    authority = make_authority(NAME)
    pair = issue(authority, NAME, [LOOPBACK], DAYS)
    return ControllerTls(authority.certificate.decode(), pair.certificate.decode(), pair.key.decode())
