"""The control plane of the cluster, as programs on its first node: etcd, API server, controllers, scheduler, DNS."""

from __future__ import annotations

from pathlib import Path

from prepare.go_programs import BIN

from node import layout
from node.access import Access
from node.namespaces import Namespaces

ETCD = "http://127.0.0.1:2379"
ETCD_PEERS = "http://127.0.0.1:2380"
# kubeadm's, but for the address and the login.
COREFILE = """\
.:53 {{
  bind {address}
  errors
  kubernetes cluster.local in-addr.arpa ip6.arpa {{
    kubeconfig {kubeconfig}
    pods insecure
    fallthrough in-addr.arpa ip6.arpa
    ttl 30
  }}
  cache 30 {{
    disable success cluster.local
    disable denial cluster.local
  }}
}}
"""


def start_api(namespaces: Namespaces, folder: Path, access: Access) -> None:
    """Start etcd and the API server."""
    namespaces.start(
        BIN / "etcd",
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={ETCD}",
        f"--advertise-client-urls={ETCD}",
        f"--listen-peer-urls={ETCD_PEERS}",
        f"--initial-advertise-peer-urls={ETCD_PEERS}",
        f"--initial-cluster=default={ETCD_PEERS}",
        "--unsafe-no-fsync",
    )
    namespaces.start(BIN / "kube-apiserver", *_api_flags(access))


def _api_flags(access: Access) -> list[str]:
    authority = access.certificate("authority")
    return [
        f"--etcd-servers={ETCD}",
        f"--advertise-address={layout.address(1)}",
        f"--tls-cert-file={access.certificate('api')}",
        f"--tls-private-key-file={access.key('api')}",
        f"--client-ca-file={authority}",
        f"--token-auth-file={access.tokens}",
        f"--service-cluster-ip-range={layout.SERVICES}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={access.certificate('service-accounts')}",
        f"--service-account-signing-key-file={access.key('service-accounts')}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--kubelet-client-certificate={access.certificate('api-to-kubelet')}",
        f"--kubelet-client-key={access.key('api-to-kubelet')}",
        "--kubelet-preferred-address-types=InternalIP",
        # Servers that extend the API, such as metrics-server and KEDA's adapter, trust calls of this client.
        f"--requestheader-client-ca-file={authority}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={access.certificate('front-proxy-client')}",
        f"--proxy-client-key-file={access.key('front-proxy-client')}",
        "--enable-aggregator-routing=true",
    ]


def start_controllers(namespaces: Namespaces, folder: Path, access: Access) -> None:
    """Start what needs the API server: controllers, scheduler and DNS."""
    namespaces.start(
        BIN / "kube-controller-manager",
        f"--kubeconfig={access.kubeconfig('controller-manager')}",
        "--bind-address=127.0.0.1",
        f"--service-account-private-key-file={access.key('service-accounts')}",
        f"--root-ca-file={access.certificate('authority')}",
        f"--cluster-signing-cert-file={access.certificate('authority')}",
        f"--cluster-signing-key-file={access.key('authority')}",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        "--allocate-node-cidrs=false",
        # Seconds instead of the minutes that tests would wait for.
        "--horizontal-pod-autoscaler-sync-period=5s",
        "--node-monitor-period=2s",
        "--node-monitor-grace-period=20s",
    )
    namespaces.start(
        BIN / "kube-scheduler",
        f"--kubeconfig={access.kubeconfig('scheduler')}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
    )
    corefile = folder / "Corefile"
    corefile.write_text(COREFILE.format(address=layout.address(1), kubeconfig=access.kubeconfig("dns")))
    namespaces.start(BIN / "coredns", "-conf", corefile)
