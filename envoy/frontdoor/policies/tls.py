"""TLS of the front listener and towards the services: certificates come from files that may change (SDS)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from frontdoor.config import Config, extension, typed

TRANSPORT_SOCKETS = "envoy.extensions.transport_sockets.tls.v3"
# Of TLS 1.2: with forward secrecy and authenticated encryption. TLS 1.3 has no others.
CIPHERS = [
    "[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]",
    "[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
]
VERSIONS = {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"}
CERTIFICATE, TRUSTED = "certificate", "trusted"


@dataclass(frozen=True, slots=True)
class Tls:
    """The folder with the files `certificate.json` and `trusted.json`, and whether the other side is verified."""

    folder: str
    verifies: bool = False

    def file(self, name: str) -> str:
        """Return the path of a secret."""
        return f"{self.folder}/{name}.json"

    def secret(self, name: str) -> Config:
        """Return the reference to a secret. A file that is renamed into the folder is read at once."""
        source = {"path": self.file(name), "watched_directory": {"path": self.folder}}
        return {"name": name, "sds_config": {"path_config_source": source, "resource_api_version": "V3"}}


def server_socket(tls: Tls) -> Config:
    """Return the transport socket of a listener, which requires client certificates if the clients are verified."""
    context: Config = {
        "tls_params": {**VERSIONS, "cipher_suites": CIPHERS},
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_certificate_sds_secret_configs": [tls.secret(CERTIFICATE)],
    }
    if tls.verifies:
        context["validation_context_sds_secret_config"] = tls.secret(TRUSTED)
    return extension(
        "envoy.transport_sockets.tls",
        f"{TRANSPORT_SOCKETS}.DownstreamTlsContext",
        common_tls_context=context,
        require_client_certificate=tls.verifies,
    )


def client_socket(tls: Tls, host: str, protocol: str) -> Config:
    """Return the transport socket of a cluster: servers must have a certificate for the host name, and get ours."""
    name = {"san_type": "DNS", "matcher": {"exact": host}}
    return extension(
        "envoy.transport_sockets.tls",
        f"{TRANSPORT_SOCKETS}.UpstreamTlsContext",
        sni=host,
        common_tls_context={
            "tls_params": VERSIONS,
            "alpn_protocols": [protocol],
            "tls_certificate_sds_secret_configs": [tls.secret(CERTIFICATE)],
            "combined_validation_context": {
                "default_validation_context": {"match_typed_subject_alt_names": [name]},
                "validation_context_sds_secret_config": tls.secret(TRUSTED),
            },
        },
    )


def certificate_secret(chain: str, key: str) -> str:
    """Return the file of a certificate chain and its private key, both as PEM text, so that they change together."""
    value = {"certificate_chain": {"inline_string": chain}, "private_key": {"inline_string": key}}
    return secret_file(CERTIFICATE, {"tls_certificate": value})


def certificate_files(chain: Path, key: Path) -> str:
    """Return the file of a certificate and key in files of their own, which are read again when they change."""
    value = {"certificate_chain": {"filename": str(chain)}, "private_key": {"filename": str(key)}}
    return secret_file(CERTIFICATE, {"tls_certificate": {**value, "watched_directory": {"path": str(chain.parent)}}})


def trusted_secret(authorities: str) -> str:
    """Return the file of the trusted authorities, as PEM text."""
    return secret_file(TRUSTED, {"validation_context": {"trusted_ca": {"inline_string": authorities}}})


def trusted_files(authorities: Path) -> str:
    """Return the file of the trusted authorities in a file of their own."""
    value = {"trusted_ca": {"filename": str(authorities)}, "watched_directory": {"path": str(authorities.parent)}}
    return secret_file(TRUSTED, {"validation_context": value})


def secret_file(name: str, value: Mapping[str, object]) -> str:
    """Return a file with one secret."""
    return json.dumps({"resources": [typed(f"{TRANSPORT_SOCKETS}.Secret", name=name, **value)]})
