"""Renders the chart with Helm, for several sets of values."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "ordermesh"
CACHE = Path(os.environ.get("ORDERMESH_KUBERNETES") or Path.home() / ".cache/ordermesh/kubernetes") / "bin"
RELEASE, NAMESPACE = "om", "shop"
FULL = "om-ordermesh"
KUBERNETES = "1.37"
SERVICES = ("orders", "publisher", "processor", "analytics", "gateway", "envoy")
DEV, PROD = "values-dev.yaml", "values-prod.yaml"

EXTERNAL: dict[str, Any] = {
    "auth": {"mode": "jwt", "jwt": {"issuer": "i", "audience": "a", "jwks": "https://issuer.example/keys"}},
    "tokens": {"existingSecret": "tokens"},
    "ordersDatabase": {
        "host": "one.example",
        "caSecret": "authority",
        "existingSecrets": {"owner": "oo", "app": "oa", "publisher": "op"},
    },
    "analyticsDatabase": {"host": "two.example", "existingSecrets": {"owner": "ao", "worker": "aw", "reader": "ar"}},
    "kafka": {
        "bootstrap": "kafka.example:9092",
        "existingSecrets": {
            name: f"kafka-{name}" for name in ("publisher", "processor", "analytics", "gateway", "operator")
        },
    },
    "traces": {"endpoint": "http://collector.example:4317"},
    "gatewayApi": {
        "enabled": True,
        "parentRefs": [{"name": "public", "namespace": "edge"}],
        "httpHostnames": ["shop.example"],
        "grpcHostnames": ["grpc.shop.example"],
    },
}
PLACED = {
    service: {
        "nodeSelector": {"pool": "shop"},
        "tolerations": [{"key": "pool", "operator": "Exists"}],
        "affinity": {"podAntiAffinity": {}},
        "priorityClassName": "high",
        "podAnnotations": {"note": "one"},
        "extraEnv": [{"name": "ORDERMESH_LOG_FORMAT", "value": "console"}],
        "autoscaling": {"enabled": True},
    }
    for service in SERVICES
}
# Each with presets and further values.
VARIANTS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "dev": ((DEV,), {}),
    "prod": ((PROD,), {}),
    "external": ((), EXTERNAL),
    "tested": (
        (DEV,),
        {"test": {"caSecret": "authority"}, "tls": {"front": {"enabled": True, "existingSecret": "front"}}},
    ),
    "closed": ((DEV,), {"networkPolicy": {"enabled": True, "clients": [{"podSelector": {}}]}}),
    "placed": ((DEV,), PLACED),
    "restored": (
        (PROD,),
        {
            "cnpg": {
                "instances": 1,
                "pooler": {"instances": 2},
                "backup": {"objectStore": "store"},
                "walStorage": {"size": "5Gi"},
            }
        },
    ),
}


@functools.cache
def tool(name: str) -> str:
    """Return a program of the cache or of the PATH; without it a laptop skips and CI fails."""
    found = CACHE / name
    if found.exists():
        return str(found)
    known = shutil.which(name)
    if known is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{name} is missing: scripts/install-tools {name}")
    return str(known)


def helm(*words: str, values: dict[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
    """Run helm with values of its own, as of the Kubernetes that the chart is tested with."""
    given = {"input": yaml.safe_dump(values)} if values else {}
    more = ["--values=-"] if values else []
    command = [tool("helm"), *words, *more, f"--kube-version={KUBERNETES}.0"]
    return subprocess.run(command, capture_output=True, text=True, check=False, **given)  # type: ignore[call-overload,no-any-return]


def template(*presets: str, values: dict[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
    """Run `helm template`."""
    files = [f"--values={CHART / preset}" for preset in presets]
    return helm("template", RELEASE, str(CHART), f"--namespace={NAMESPACE}", *files, values=values)


@functools.cache
def rendered(variant: str) -> str:
    """Return what a variant renders."""
    presets, values = VARIANTS[variant]
    done = template(*presets, values=values)
    assert done.returncode == 0, done.stderr
    return done.stdout


def objects(variant: str, *kinds: str) -> list[dict[str, Any]]:
    """Return the objects of a variant, of some kinds or all."""
    found = [one for one in yaml.safe_load_all(rendered(variant)) if one]
    return [one for one in found if not kinds or one["kind"] in kinds]


def named(variant: str, kind: str, component: str) -> dict[str, Any]:
    """Return the object of a kind of one component."""
    (one,) = [one for one in objects(variant, kind) if one["metadata"]["name"] == f"{FULL}-{component}"]
    return one


def pods(variant: str) -> dict[str, dict[str, Any]]:
    """Return the specs of all pods, by kind and name."""
    found = {}
    for one in objects(variant, "Deployment", "StatefulSet", "Job", "Pod"):
        spec = one["spec"] if one["kind"] == "Pod" else one["spec"]["template"]["spec"]
        found[f"{one['kind']}/{one['metadata']['name']}"] = spec
    return found


def containers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all containers of a pod."""
    return [*spec.get("initContainers", ()), *spec["containers"]]


def secrets_of(spec: dict[str, Any]) -> set[str]:
    """Return the Secrets that a pod mounts."""
    return {volume["secret"]["secretName"] for volume in spec["volumes"] if "secret" in volume}


def environment(container: dict[str, Any]) -> dict[str, str]:
    """Return the variables of a container."""
    return {variable["name"]: variable["value"] for variable in container.get("env", ())}
