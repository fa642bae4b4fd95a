"""The folder of an authority of our own and the certificates it issued, by name: NAME.pem and NAME.key."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from stack.certificates import authority
from stack.certificates.authority import Pair
from stack.errors import SettingInvalid
from stack.machine.files import PRIVATE, write_private

AUTHORITY = "ca"
DAYS = 90
# Certificates that expire within this time are renewed at `ordermesh up` and while it runs.
RENEW_BEFORE = timedelta(days=30)
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
HOST = re.compile(r"(?i)(\*\.)?[a-z0-9_]([a-z0-9_.-]{0,250}[a-z0-9_])?")


@dataclass(frozen=True)
class Certificate:
    """One certificate of the folder."""

    name: str
    hosts: Sequence[str]
    expires: datetime

    @property
    def expires_soon(self) -> bool:
        """Whether it is to be renewed."""
        return self.expires - datetime.now(UTC) < RENEW_BEFORE


@dataclass(frozen=True)
class CertificateFolder:
    """An authority with its certificates; every file is private to its account."""

    path: Path

    @property
    def authority_file(self) -> Path:
        """The certificate of the authority, with which clients verify the others."""
        return self.path / f"{AUTHORITY}.pem"

    def certificate_file(self, name: str) -> Path:
        """Return the file of a certificate."""
        return self.path / f"{name}.pem"

    def key_file(self, name: str) -> Path:
        """Return the file of a private key."""
        return self.path / f"{name}.key"

    def create(self, name: str, hosts: Sequence[str], days: float = DAYS) -> Certificate:
        """Issue a certificate under a name that is not in use. Raises SettingInvalid."""
        if not NAME.fullmatch(name) or name == AUTHORITY:
            raise SettingInvalid(
                f"the name of a certificate must match {NAME.pattern} and not be {AUTHORITY}: {name!r}"
            )
        for host in hosts:
            if not is_host(host):
                raise SettingInvalid(f"--host must be a host name, *.NAME or an IP address, is {host!r}")
        if self.certificate_file(name).exists():
            raise SettingInvalid(f"{self.certificate_file(name)} exists: renew it with `ordermesh certs renew {name}`")
        return self._issue(name, hosts, days)

    def renew(self, name: str, hosts: Sequence[str] = (), days: float = DAYS) -> Certificate:
        """Issue a certificate again with a new key, for the same hosts unless some are given. Raises SettingInvalid."""
        return self._issue(name, hosts or self.find(name).hosts, days)

    def ensure(self, name: str, hosts: Sequence[str]) -> Certificate:
        """Return a certificate for at least these hosts, issued again if it misses one or expires soon."""
        if not self.certificate_file(name).exists():
            return self._issue(name, hosts, DAYS)
        found = self.find(name)
        missing = {host.strip("[]") for host in hosts} - set(found.hosts)
        return self.renew(name, hosts) if missing or found.expires_soon else found

    def find(self, name: str) -> Certificate:
        """Return a certificate. Raises SettingInvalid when there is none of that name."""
        path = self.certificate_file(name)
        try:
            text = path.read_bytes()
            return Certificate(name, authority.hosts_of(text), authority.expiry(text))
        except FileNotFoundError as error:
            raise SettingInvalid(f"no certificate {name!r} in {self.path}: `ordermesh certs list`") from error
        except (OSError, ValueError) as error:
            raise SettingInvalid(f"{path} is not a certificate: {error}; delete it and create it again") from error

    def certificates(self) -> list[Certificate]:
        """Return the authority and its certificates."""
        return [self.find(path.stem) for path in sorted(self.path.glob("*.pem"))]

    def pair(self, name: str) -> Pair:
        """Return a certificate and its key. Raises OSError."""
        return Pair(self.certificate_file(name).read_bytes(), self.key_file(name).read_bytes())

    def _issue(self, name: str, hosts: Sequence[str], days: float) -> Certificate:
        self.path.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        if not self.authority_file.exists():
            self._write(AUTHORITY, authority.make_authority(f"ordermesh CA {datetime.now(UTC):%Y-%m-%d %H:%M:%S}"))
        self._write(name, authority.issue(self.pair(AUTHORITY), name, hosts, days))
        return self.find(name)

    def _write(self, name: str, pair: Pair) -> None:
        # The key first: whoever sees the new certificate finds its key.
        write_private(self.key_file(name), pair.key.decode())
        write_private(self.certificate_file(name), pair.certificate.decode())


def is_host(text: str) -> bool:
    """Return whether a text is a host name, one with a wildcard in front, or an address."""
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return HOST.fullmatch(text) is not None
    return True
