"""What scales pods: metrics-server, KEDA, and a Prometheus that scrapes as the chart's ServiceMonitors say."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml
from prepare.go_programs import PROGRAMS, source
from release import Platform

FILES = Path(__file__).parent / "autoscaling"
PROMETHEUS = "http://prometheus.monitoring.svc:9090"
TIMEOUT = "--timeout=300s"


class Autoscalers:
    """They run in the namespaces kube-system, keda and monitoring, and look at one installed platform."""

    def __init__(self, platform: Platform, folder: Path) -> None:
        self._platform = platform
        self._kubectl = platform.cluster.kubectl
        self._folder = folder

    def install(self) -> None:
        """Install them, and wait until they answer."""
        shutil.copytree(FILES, self._folder)
        (self._folder / "metrics-server").symlink_to(source(PROGRAMS["metrics-server"]) / "manifests")
        (self._folder / "keda").symlink_to(source(PROGRAMS["keda"]) / "config")
        jobs = {"scrape_configs": list(scrape_configs(self._platform))}
        (self._folder / "prometheus.yml").write_text(yaml.safe_dump(jobs))
        # KEDA's definitions are larger than the annotation of a client's apply may be; another test may have made them.
        self._kubectl("apply", "--server-side", "--force-conflicts", "-k", str(self._folder))
        for group in ("metrics.k8s.io", "external.metrics.k8s.io"):
            self._kubectl("wait", "--for=condition=Available", f"apiservice/v1beta1.{group}", TIMEOUT)
        self._kubectl("-n", "monitoring", "rollout", "status", "deployment/prometheus", TIMEOUT)

    def remove(self) -> None:
        """Remove everything."""
        self._kubectl("delete", "--ignore-not-found", "-k", str(self._folder), TIMEOUT)

    def ask(self, query: str) -> float | None:
        """Return the one value that Prometheus has for a query now, None without any."""
        found = self._get("query", query=query)
        return float(found[0]["value"][1]) if found else None

    def series(self, query: str, since: datetime, until: datetime, step_seconds: int) -> list[tuple[float, float]]:
        """Return the values of a query over a time, each with its time in seconds since 1970."""
        times = {"start": since.timestamp(), "end": until.timestamp(), "step": step_seconds}
        found = self._get("query_range", query=query, **times)
        return [(at, float(value)) for at, value in found[0]["values"]] if found else []

    def _get(self, what: str, **words: str | float) -> list[dict[str, Any]]:
        path = f"/api/v1/namespaces/monitoring/services/prometheus:9090/proxy/api/v1/{what}?{urlencode(words)}"
        found: list[dict[str, Any]] = json.loads(self._kubectl("get", "--raw", path))["data"]["result"]
        return found


def scrape_configs(platform: Platform) -> Iterator[dict[str, Any]]:
    """Yield what the chart's ServiceMonitors ask to scrape: the pods of headless Services, by their names in DNS.

    Debian's Prometheus has no client of Kubernetes that would find them.
    """
    for monitor in platform.rendered("monitoring.yaml", "--set=serviceMonitor.enabled=true"):
        (endpoint,) = monitor["spec"]["endpoints"]
        for service in platform.cluster.get("services", "-n", platform.namespace, "-l", selector(monitor))["items"]:
            for port in service["spec"]["ports"]:
                if port["name"] == endpoint["port"]:
                    yield scrape_config(endpoint, service["metadata"], port["port"])


def selector(monitor: dict[str, Any]) -> str:
    """Return the selector of a ServiceMonitor for kubectl."""
    selecting = monitor["spec"]["selector"]
    terms = [f"{name}={value}" for name, value in selecting["matchLabels"].items()]
    terms += [f"{term['key']} in ({','.join(term['values'])})" for term in selecting.get("matchExpressions", ())]
    return ",".join(terms)


def scrape_config(endpoint: dict[str, Any], service: dict[str, Any], port: int) -> dict[str, Any]:
    """Return the job for an endpoint of a ServiceMonitor at a Service, by its metadata."""
    labels = {"namespace": service["namespace"], "service": service["name"]}
    for name, value in service["labels"].items():
        labels["__meta_kubernetes_service_label_" + name.translate(str.maketrans("./-", "___"))] = value
    relabelings = [
        {"source_labels": one["sourceLabels"], "target_label": one["targetLabel"], "replacement": one["replacement"]}
        for one in endpoint["relabelings"]
    ]
    name = f"{service['name']}.{service['namespace']}.svc.cluster.local"
    return {
        "job_name": service["name"],
        "metrics_path": endpoint.get("path", "/metrics"),
        "scrape_interval": endpoint["interval"],
        "dns_sd_configs": [{"names": [name], "type": "A", "port": port, "refresh_interval": "5s"}],
        "relabel_configs": [{"target_label": name, "replacement": value} for name, value in labels.items()]
        + relabelings,
    }
