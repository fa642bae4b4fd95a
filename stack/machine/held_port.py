"""Holds a port for a server of ours, so that no other account can take it while the server is down."""

from __future__ import annotations

import contextlib
import os
import socket

from stack.machine.ports import LOOPBACK, LOOPBACK_6, has_ipv6
from stack.processes.server_account import Account


class HeldPort:
    """Sockets that are bound to a port and never listen.

    The kernel lets only sockets of the same account share the port with them, with SO_REUSEPORT. `localhost` leads to
    [::1] first: there nobody listens.
    """

    def __init__(self, port: int, account: Account | None = None, host: str = LOOPBACK) -> None:
        self._account = account
        self._addresses = [(socket.AF_INET, host, port)]
        if has_ipv6():
            self._addresses.append((socket.AF_INET6, LOOPBACK_6 if host == LOOPBACK else "::", port))
        self._held: dict[str, socket.socket] = {}

    def hold(self) -> bool:
        """Bind what is not bound yet; return whether all is.

        False while connections of an earlier server end, at most for a minute: to be called again.
        """
        for family, host, port in self._addresses:
            if host not in self._held:
                with contextlib.suppress(OSError):
                    self._held[host] = self._bound(family, host, port)
        return len(self._held) == len(self._addresses)

    def _bound(self, family: int, host: str, port: int) -> socket.socket:
        # Without SO_REUSEADDR, which would let others bind while nobody listens.
        holder = socket.socket(family)
        try:
            if family == socket.AF_INET6:
                holder.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if self._account is not None:
                # The port belongs to the account of the socket at the time of the bind.
                os.fchown(holder.fileno(), self._account.uid, self._account.gid)
            holder.bind((host, port))
        except OSError:
            holder.close()
            raise
        return holder

    def close(self) -> None:
        """Let the port go."""
        for holder in self._held.values():
            holder.close()
        self._held.clear()
