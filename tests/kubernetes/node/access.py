"""Who may talk to the API server of the test node: an authority, certificates, tokens, kubeconfigs."""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from node import layout
from stack.certificates.authority import issue, make_authority

DAYS = 2
API_NAMES = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]
USERS = {
    "admin": ("admin", "system:masters"),
    "controller-manager": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "proxy": ("system:kube-proxy", "system:node-proxier"),
    "dns": ("system:coredns", ""),
    "policies": ("system:kube-router", ""),
    **{layout.name(number): (f"system:node:{layout.name(number)}", "system:nodes") for number in layout.NODES},
}


@dataclass(frozen=True)
class Access:
    """A folder with NAME.pem, NAME.key of servers and clients, and NAME.kubeconfig of users."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Access:
        """Make everything, for one life of the node."""
        folder.mkdir(mode=0o700)
        authority = make_authority("ordermesh test node")
        (folder / "authority.pem").write_bytes(authority.certificate)
        (folder / "authority.key").write_bytes(authority.key)
        hosts = {
            "api": [*API_NAMES, layout.address(1), layout.API_SERVICE_ADDRESS],
            "api-to-kubelet": [],
            "front-proxy-client": [],
            "service-accounts": [],
            **{layout.name(number): [layout.name(number), layout.address(number)] for number in layout.NODES},
        }
        for name, names in hosts.items():
            pair = issue(authority, name, names, DAYS)
            (folder / f"{name}.pem").write_bytes(pair.certificate)
            (folder / f"{name}.key").write_bytes(pair.key)
        access = cls(folder)
        access._make_users(authority.certificate)
        return access

    def _make_users(self, authority: bytes) -> None:
        lines = []
        for name, (user, group) in USERS.items():
            token = secrets.token_hex(16)
            lines.append(f'{token},{user},{name},"{group}"\n')
            trusted = base64.b64encode(authority).decode()
            config = {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [
                    {"name": "test", "cluster": {"server": layout.API_URL, "certificate-authority-data": trusted}}
                ],
                "users": [{"name": name, "user": {"token": token}}],
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": name}}],
                "current-context": "test",
            }
            self.kubeconfig(name).write_text(json.dumps(config))
            self.kubeconfig(name).chmod(0o600)
        self.tokens.write_text("".join(lines))

    @property
    def tokens(self) -> Path:
        """The file with all tokens, for the API server."""
        return self.folder / "tokens.csv"

    def kubeconfig(self, user: str) -> Path:
        """Return the file with which a user logs in."""
        return self.folder / f"{user}.kubeconfig"

    def certificate(self, name: str) -> Path:
        """Return the file of a certificate."""
        return self.folder / f"{name}.pem"

    def key(self, name: str) -> Path:
        """Return the file of a private key."""
        return self.folder / f"{name}.key"
