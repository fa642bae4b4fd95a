"""A platform as the page about day two has it: TLS with certificates of existing Secrets, API keys of a folder."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path

from guide import CLUSTER, ROOT, Shell, environment, sections
from node import layout
from node.cluster import Cluster
from release import Platform

from stack.certificates.certificate_folder import CertificateFolder
from stack.identity.key_registry import KeyRegistry
from stack.machine.state_folder import StateFolder

PAGE = "how-to/kubernetes-day-two.md"
SERVICES_WITH_TLS = ("orders", "analytics", "gateway", "envoy")
# Long enough for the installation and the first renewal, and short enough to be waited for.
FIRST_DAYS = 6 / 24 / 60
# So that nobody keeps a connection for long for which a certificate was shown that has expired.
CONNECTION_SECONDS = 60
# Runs in a pod of a service, which shows itself what it shows others.
SHOW = """
import socket, ssl, sys
context = ssl.create_default_context(cafile="/secrets/tls/ca.crt")
context.load_cert_chain("/secrets/tls/tls.crt", "/secrets/tls/tls.key")
context.set_alpn_protocols(["h2"])
with socket.create_connection(("127.0.0.1", int(sys.argv[2])), 10) as plain:
    with context.wrap_socket(plain, server_hostname=sys.argv[1]) as served:
        print(ssl.DER_cert_to_PEM_cert(served.getpeercert(binary_form=True)))
"""


class Shop(Platform):
    """The platform in the namespace of the page, and a shell of who reads it."""

    def __init__(self, cluster: Cluster, home: Path) -> None:
        super().__init__(cluster, "shop", 30443)
        self.url = f"https://{layout.address(1)}:{self.node_port}"
        self.certificates = CertificateFolder(home / "shop-certificates")
        self.keys = KeyRegistry(StateFolder(home / "shop-keys"))
        login = {name: cluster.environment[name] for name in ("KUBECONFIG", "PATH")}
        self.shell = Shell(ROOT, environment(HOME=str(home)))
        self.shell.env |= {"KUBECONFIG": login["KUBECONFIG"], "PATH": f"{self.shell.env['PATH']}:{login['PATH']}"}

    def install(self) -> str:
        """Make the Secrets and install the chart with two pods of each service; return the operator's key."""
        self.make_namespace()
        for name in SERVICES_WITH_TLS:
            self.certificates.create(name, [f"om-ordermesh-{name}{'' if name == 'envoy' else '-headless'}"], FIRST_DAYS)
        self.certificates.create("front", [layout.address(1)], FIRST_DAYS)
        self.run("Renew certificates", 1)
        key = self.keys.create("operator", "first")
        self.shell.run(
            "kubectl -n shop create secret generic ordermesh-api-keys --from-file ~/shop-keys/envoy/keys.json"
        )
        services = {"enabled": True, "existingSecrets": {name: f"shop-{name}" for name in SERVICES_WITH_TLS}}
        tls = {"front": {"enabled": True, "existingSecret": "shop-front"}, "services": services}
        own_keys = "--set=auth.apiKeys.existingSecret=ordermesh-api-keys"
        seconds = f"--set=connectionSeconds={CONNECTION_SECONDS}"
        self.install_with_helm(2, f"--set-json=tls={json.dumps(tls)}", own_keys, seconds)
        return key

    def run(self, section: str, *blocks: int, **variables: str) -> None:
        """Run the commands of a section of the page, or only some of its blocks."""
        self.shell.env |= variables
        scripts = sections(PAGE, CLUSTER)[section]
        for text in [scripts[block] for block in blocks] or scripts:
            self.shell.run(text)

    def answer(self, path: str, key: str) -> tuple[int, str]:
        """Ask the front port as the owner of a key, and return the status and the body."""
        request = urllib.request.Request(f"{self.url}{path}", headers={"authorization": f"Bearer {key}"})
        trusted = ssl.create_default_context(cafile=str(self.certificates.authority_file))
        try:
            with urllib.request.urlopen(request, timeout=30, context=trusted) as found:
                return found.status, found.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def shown_in_front(self) -> str:
        """Return the certificate of the front port."""
        return ssl.get_server_certificate((layout.address(1), self.node_port))

    def shown_by(self, service: str, port: int) -> str:
        """Return the certificate that a pod of a service shows callers of its name, nothing while none answers."""
        host = f"om-ordermesh-{service}-headless"
        pod = self.pods(service)[0]["metadata"]["name"]
        try:
            return self.kubectl("exec", pod, "-c", service, "--", "python", "-c", SHOW, host, str(port))
        except RuntimeError:
            return ""
