"""How our programs call a front proxy: in plain text, or over TLS with certificates of the settings."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from pydantic import Field, SecretStr

from runtime.settings import FILE_SUFFIX, PREFIX, Settings

HTTPS = "https://"
Options = Sequence[tuple[str, Any]]


class ClientTlsSettings(Settings):
    """TLS towards a front proxy. Commands find the certificates of a local stack themselves."""

    ca: str | None = Field(
        default=None,
        description="PEM certificates of the authority of the front proxy's certificate; the system's by default.",
    )
    client_certificate: str | None = Field(
        default=None, description="PEM certificate for a front proxy that requires one from its clients."
    )
    client_key: SecretStr | None = Field(default=None, description="PEM key of ORDERMESH_CLIENT_CERTIFICATE.")

    @property
    def tls(self) -> ClientTls:
        """The TLS of our calls."""
        pair = self.client_certificate is not None and self.client_key is not None
        return ClientTls(
            self.ca,
            self.client_certificate if pair else None,
            self.client_key.get_secret_value() if pair and self.client_key is not None else None,
        )


@dataclass(frozen=True)
class ClientTls:
    """The trusted authorities, None for the system's, and the certificate and key of the client, None for none."""

    authorities: str | None
    certificate: str | None
    key: str | None

    def __repr__(self) -> str:
        return "ClientTls()"

    def credentials(self) -> grpc.ChannelCredentials:
        """Return the credentials of gRPC channels."""
        parts = (self.authorities, self.key, self.certificate)
        return grpc.ssl_channel_credentials(*(None if part is None else part.encode() for part in parts))

    def context(self) -> ssl.SSLContext:
        """Return the context of HTTP/1.1 connections. Raises ssl.SSLError for what is no certificate."""
        context = ssl.create_default_context(cadata=self.authorities)
        context.set_alpn_protocols(["http/1.1"])
        if self.certificate is not None and self.key is not None:
            # The library reads files only.
            with tempfile.NamedTemporaryFile("w") as file:
                file.write(f"{self.certificate}\n{self.key}\n")
                file.flush()
                context.load_cert_chain(file.name)
        return context


def open_channel(address: str, options: Options = ()) -> grpc.Channel:
    """Return a channel to host:port in plain text, or to https://host:port over TLS."""
    if not address.startswith(HTTPS):
        return grpc.insecure_channel(address, options)
    return grpc.secure_channel(address.removeprefix(HTTPS), ClientTlsSettings.load().tls.credentials(), options)


def open_async_channel(
    address: str, options: Options = (), interceptors: Sequence[grpc.aio.ClientInterceptor] = ()
) -> grpc.aio.Channel:
    """Return a channel of the running event loop to host:port in plain text, or to https://host:port over TLS."""
    if not address.startswith(HTTPS):
        return grpc.aio.insecure_channel(address, options, interceptors=interceptors)
    credentials = ClientTlsSettings.load().tls.credentials()
    return grpc.aio.secure_channel(address.removeprefix(HTTPS), credentials, options, interceptors=interceptors)


def use_files(authority: Path, certificate: Path, key: Path) -> None:
    """Set the TLS of this process and its children to files that exist, unless the settings have something else."""
    for name, path in (("CA", authority), ("CLIENT_CERTIFICATE", certificate), ("CLIENT_KEY", key)):
        variable = f"{PREFIX}{name}"
        if path.exists() and variable not in os.environ:
            os.environ.setdefault(f"{variable}{FILE_SUFFIX}", str(path))
