"""The certificate of the front proxy: from the settings or of the stack's own authority, given to Envoy in files."""

from __future__ import annotations

import functools
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from frontdoor.policies import tls
from frontdoor.policies.tls import Tls

from runtime.addresses import LOCAL_HOSTS
from runtime.grpc.client_tls import HTTPS, use_files
from stack.certificates import authority
from stack.certificates.certificate_folder import CertificateFolder
from stack.errors import SettingInvalid
from stack.machine.files import PRIVATE, write_private
from stack.machine.ports import LOOPBACK
from stack.machine.state_folder import StateFolder
from stack.processes.server_account import ENVOY, give, own_account
from stack.settings import StackSettings

# How often certificates of our own are looked at, whether they expire soon.
ENSURE_SECONDS = 600.0
FRONT, CLIENT = "front", "client"


@dataclass
class FrontCertificate:
    """Writes Envoy's files of secrets, and again when a certificate has changed."""

    settings: StackSettings
    state: StateFolder
    _written: tuple[object, ...] = ()
    _ensured_at: float = 0.0

    @property
    def on(self) -> bool:
        """Whether the front proxy speaks TLS."""
        return self.settings.tls_on

    @property
    def scheme(self) -> str:
        """The scheme of the front proxy's addresses."""
        return "https" if self.on else "http"

    @functools.cached_property
    def host(self) -> str:
        """The host of the front proxy's addresses: one that its certificate is for."""
        if self.settings.tls_certificate is None:
            return LOOPBACK
        hosts = authority.hosts_of(self.settings.tls_certificate.read_bytes())
        return next((host for host in (LOOPBACK, "localhost") if host in hosts), hosts[0] if hosts else LOOPBACK)

    @property
    def envoy_tls(self) -> Tls | None:
        """The TLS of Envoy's configuration, None without."""
        return Tls(str(self.secrets), verifies=self.settings.tls_client_ca is not None) if self.on else None

    @property
    def secrets(self) -> Path:
        """The folder of Envoy's files, which belongs to its account."""
        return self.state.home / "envoy-tls"

    def prepare(self) -> None:
        """Create what is missing and write Envoy's files. Raises SettingInvalid."""
        if not self.on:
            return
        give(self.secrets, own_account(ENVOY), PRIVATE)
        self._ensure()
        self.refresh()

    def _ensure(self) -> None:
        self._ensured_at = time.monotonic()
        own = own_certificates(self.state)
        if self.settings.tls_certificate is None:
            own.ensure(FRONT, [*LOCAL_HOSTS, *self.settings.front_hosts])
            write_private(self.state.front_authority, own.authority_file.read_text())
        else:
            self.state.front_authority.unlink(missing_ok=True)
        # The certificate with which the commands of this account call the front proxy.
        own.ensure(CLIENT, [])

    def refresh(self) -> None:
        """Renew certificates of our own that expire soon, and give Envoy changed ones. Raises SettingInvalid."""
        if not self.on:
            return
        try:
            if time.monotonic() - self._ensured_at > ENSURE_SECONDS:
                self._ensure()
            files = [path for path in self._files() if path is not None]
            seen = tuple((path, (status := path.stat()).st_mtime_ns, status.st_ino) for path in files)
            if seen != self._written:
                self._write()
                self._written = seen
        except (OSError, ValueError) as error:
            raise SettingInvalid(f"the certificate of the front proxy cannot be read: {error}") from error

    def _files(self) -> Sequence[Path | None]:
        own = own_certificates(self.state)
        return (*self._pair_files(), self.settings.tls_client_ca, own.authority_file)

    def _pair_files(self) -> tuple[Path, Path]:
        given = self.settings
        if given.tls_certificate is not None and given.tls_key is not None:
            return given.tls_certificate, given.tls_key
        own = own_certificates(self.state)
        return own.certificate_file(FRONT), own.key_file(FRONT)

    def _write(self) -> None:
        chain, key = (path.read_bytes() for path in self._pair_files())
        if not authority.matches(chain, key):
            raise ValueError(f"{self._pair_files()[1]} is not the key of {self._pair_files()[0]}")
        self._give(tls.CERTIFICATE, tls.certificate_secret(chain.decode(), key.decode()))
        client_ca = self.settings.tls_client_ca
        if client_ca is not None:
            trusted = client_ca.read_text() + own_certificates(self.state).authority_file.read_text()
            self._give(tls.TRUSTED, tls.trusted_secret(trusted))

    def _give(self, name: str, text: str) -> None:
        account = own_account(ENVOY)
        write_private(self.secrets / f"{name}.json", text, None if account is None else (account.uid, account.gid))

    def client_context(self) -> ssl.SSLContext | None:
        """Return how the supervisor calls the front proxy, None without TLS.

        It does not verify the certificate, which may be for other names: whose socket answers is checked otherwise.
        """
        if not self.on:
            return None
        own = own_certificates(self.state)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.load_cert_chain(own.certificate_file(CLIENT), own.key_file(CLIENT))
        return context


def use_own_certificates(state: StateFolder, front: str) -> None:
    """Have this process call the front proxy of a local stack over TLS, if it speaks it, with the stack's own files."""
    if front.startswith(HTTPS):
        own = own_certificates(state)
        use_files(state.front_authority, own.certificate_file(CLIENT), own.key_file(CLIENT))


def own_certificates(state: StateFolder) -> CertificateFolder:
    """Return the certificates of the stack's own authority."""
    return CertificateFolder(state.certificates)
