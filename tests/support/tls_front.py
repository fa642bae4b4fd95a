"""Ends TLS in front of a PostgreSQL, which the packaged server is built without."""

from __future__ import annotations

import asyncio
import ssl
import struct
from pathlib import Path

from faults.injection.tcp_proxy import Link, Target, TcpProxy

# https://www.postgresql.org/docs/current/protocol-message-formats.html: SSLRequest.
SSL_REQUEST = struct.pack(">ii", 8, 80877103)


class TlsFront(TcpProxy):
    """Listens on loopback with a certificate, for clients that ask for TLS as PostgreSQL's do; others are cut off."""

    def __init__(self, target: Path, chain: Path, key: Path) -> None:
        super().__init__(target)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_3
        self._context.load_cert_chain(chain, key)

    async def _serve(self, target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if await reader.readexactly(len(SSL_REQUEST)) != SSL_REQUEST:
                raise ConnectionError("not by TLS")
            writer.write(b"S")
            await writer.start_tls(self._context)
        except (OSError, asyncio.IncompleteReadError):
            writer.transport.abort()
            return
        await super()._serve(target, reader, writer)

    async def _pump(self, link: Link, direction: str) -> None:
        try:
            await super()._pump(link, direction)
        except NotImplementedError:
            # A connection by TLS cannot be ended in one direction.
            link.writers[direction].close()
