"""TLS between services off one machine: each shows a certificate, and only those of one authority are answered."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import grpc
from pydantic import Field, model_validator

from runtime.settings import PREFIX, Settings
from runtime.telemetry.logging import logger

Configuration = Any
Made = TypeVar("Made")


@dataclass(frozen=True)
class ServiceTls:
    """The files of a certificate, its key and the authority: the same for what a service serves and what it calls."""

    certificate: Path
    key: Path
    authority: Path

    def server_credentials(self) -> grpc.ServerCredentials:
        """Return credentials of a server that requires client certificates; changed files serve new connections."""
        return grpc.dynamic_ssl_server_credentials(
            self._configuration(),
            self.renewed(self._configuration),  # type: ignore[arg-type]  # None: unchanged
            require_client_authentication=True,
        )

    def _configuration(self) -> Configuration:
        pair = (self.key.read_bytes(), self.certificate.read_bytes())
        return grpc.ssl_server_certificate_configuration([pair], self.authority.read_bytes())

    def renewed(self, make: Callable[[], Made]) -> Callable[[], Made | None]:
        """Return a function that makes something of the files once after each change of them, and else returns None."""
        seen = self._changes()

        def read() -> Made | None:
            nonlocal seen
            try:
                now = self._changes()
                if now == seen:
                    return None
                made = make()
            except OSError as error:
                # A file that is being replaced: the next connection or call reads it.
                logger().warning("certificate not readable", error=error)
                return None
            seen = now
            return made

        return read

    def _changes(self) -> tuple[int, ...]:
        return tuple(path.stat().st_mtime_ns for path in (self.certificate, self.key, self.authority))

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """Return credentials of a client, which verifies the server's name. Raises OSError."""
        return grpc.ssl_channel_credentials(
            self.authority.read_bytes(), self.key.read_bytes(), self.certificate.read_bytes()
        )

    def server_context(self) -> ssl.SSLContext:
        """Return the context of an HTTP server that requires client certificates; changed files serve new connections.

        Raises OSError.
        """
        listening = current = self._context()
        renewed = self.renewed(self._context)

        def choose(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
            nonlocal current
            current = renewed() or current
            connection.context = current

        # Called for each connection, also of clients that name no server.
        listening.sni_callback = choose
        return listening

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.authority))
        context.verify_mode = ssl.CERT_REQUIRED
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificate, self.key)
        return context


class ServiceTlsSettings(Settings):
    """TLS of a service that listens on host:port. Unix sockets have none: only their account reaches them."""

    service_certificate: Path | None = Field(
        default=None, description="PEM file of the certificate that this service shows to others on host:port (mTLS)."
    )
    service_key: Path | None = Field(default=None, description="PEM file of the key of ORDERMESH_SERVICE_CERTIFICATE.")
    service_ca: Path | None = Field(
        default=None, description="PEM file of the authority whose certificates other services and Envoy must have."
    )

    @model_validator(mode="after")
    def service_tls_is_complete(self) -> Self:
        """Reject a part of the three files."""
        files = (self.service_certificate, self.service_key, self.service_ca)
        if any(files) and not all(files):
            names = ("CERTIFICATE", "KEY", "CA")
            raise ValueError(f"{', '.join(f'{PREFIX}SERVICE_{name}' for name in names)} are required together")
        return self

    @property
    def service_tls(self) -> ServiceTls | None:
        """The TLS of this service, None without."""
        if self.service_certificate is None or self.service_key is None or self.service_ca is None:
            return None
        return ServiceTls(self.service_certificate, self.service_key, self.service_ca)
