"""How a process of ours asks a program that demands a certificate; the names of the files, which others read too."""

from __future__ import annotations

import ssl
from pathlib import Path

# Of a program that is asked, and of one that asks.
SERVER, SERVER_KEY, CLIENTS = "server.pem", "server.key", "clients.pem"
CLIENT, CLIENT_KEY, SERVERS = "client.pem", "client.key", "servers.pem"


def client_context(folder: Path) -> ssl.SSLContext:
    """Return with what this process asks, from the files of `Certificates.let_ask`."""
    context = ssl.create_default_context(cafile=str(folder / SERVERS))
    context.load_cert_chain(folder / CLIENT, folder / CLIENT_KEY)
    return context
