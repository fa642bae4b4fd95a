"""A real Prometheus and Alertmanager over a running stack, with the shipped rules and configuration at another pace."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from waiting import PATIENCE_SECONDS, await_true

from stack.machine import ports
from stack.machine.ports import LOOPBACK
from stack.observe.programs import ALERTMANAGER, PROMETHEUS, Found, Wanted
from stack.running_stack import RunningStack

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "deploy" / "prometheus"
RULES = sorted((SHIPPED / "rules").glob("*.yaml"))
# An hour takes three minutes; the scrape interval of 15 s becomes 750 ms.
PACE = 20
UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
DURATION = re.compile(r"(\d+)(ms|s|m|h|d)")
WINDOW = re.compile(r"\[(\w+)\]")
# An age that a timestamp may have; its work is done every minute at every pace.
AGE = re.compile(r"(time\(\) - [^>]*> )(\d+)")
LEAST_AGE_SECONDS = 120
DURATIONS = ("interval", "for", "keep_firing_for", "scrape_interval", "evaluation_interval")
DURATIONS += ("group_wait", "group_interval", "repeat_interval")
STOP_SECONDS = 10
# About the interval at which rules are evaluated.
PAUSE_SECONDS = 0.5
ASK_SECONDS = 10


def server(wanted: Wanted) -> Found:
    """Return a server as `ordermesh up --observe` has it; without it a test fails in CI and is skipped elsewhere."""
    if missing := wanted.fetch():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    found = wanted.find()
    assert found is not None
    return found


def promtool() -> Path:
    """Return promtool."""
    return server(PROMETHEUS).path.with_name("promtool")


def amtool() -> Path:
    """Return amtool."""
    return server(ALERTMANAGER).path.with_name("amtool")


def run(tool: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a tool to its end."""
    return subprocess.run([tool, *map(str, arguments)], capture_output=True, text=True, check=False)


def at_pace(document: Any, pace: float = PACE) -> Any:
    """Return a configuration or rules with shorter durations: intervals, waits, windows, ages; nothing else changes."""
    if isinstance(document, list):
        return [at_pace(one, pace) for one in document]
    if not isinstance(document, dict):
        return document
    return {key: paced_value(key, value, pace) for key, value in document.items()}


def paced_value(key: str, value: Any, pace: float) -> Any:
    """Return the value of a key of a configuration or of rules."""
    if key in DURATIONS:
        return shorter(str(value), pace)
    if key == "expr":
        aged = AGE.sub(lambda found: f"{found[1]}{max(LEAST_AGE_SECONDS, int(found[2]) / pace):g}", str(value))
        return WINDOW.sub(lambda found: f"[{shorter(found[1], pace)}]", aged)
    return at_pace(value, pace)


def shorter(duration: str, pace: float) -> str:
    """Return a duration of Prometheus divided by the pace."""
    total = sum(int(number) * UNITS_MS[unit] for number, unit in DURATION.findall(duration))
    return f"{max(1, round(total / pace))}ms"


def at_its_ports(text: str, stack: RunningStack) -> str:
    """Return a text with the ports of a stack in place of the usual ones."""
    settings = stack.context.settings
    actual = {field.default: getattr(settings, name) for name, field in settings.port_fields().items()}
    return re.sub(r"127\.0\.0\.1:(\d{4,5})", lambda found: f"{LOOPBACK}:{actual[int(found[1])]}", text)


def targets(stack: RunningStack) -> list[dict[str, Any]]:
    """Return the targets of a stack."""
    shipped: list[dict[str, Any]] = yaml.safe_load(
        at_its_ports((SHIPPED / "targets" / "local.yaml").read_text(), stack)
    )
    return shipped


@dataclass(frozen=True)
class Monitoring:
    """The APIs of a running Prometheus and Alertmanager, and the file with the targets."""

    prometheus: str
    alertmanager: str
    targets_file: Path

    def write_targets(self, found: list[dict[str, Any]]) -> None:
        """Replace the targets; Prometheus notices."""
        written = self.targets_file.with_suffix(".new")
        written.write_text(yaml.safe_dump(found))
        written.rename(self.targets_file)

    def add_target(self, target: dict[str, Any]) -> None:
        """Scrape something else too."""
        self.write_targets([*yaml.safe_load(self.targets_file.read_text()), target])

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the result of an instant query."""
        asked = urllib.parse.urlencode({"query": expression})
        result: list[dict[str, Any]] = ask(f"{self.prometheus}/api/v1/query?{asked}")["data"]["result"]
        return result

    def firing(self) -> list[dict[str, Any]]:
        """Return the alerts that fire in Prometheus."""
        found = ask(f"{self.prometheus}/api/v1/alerts")["data"]["alerts"]
        return [alert for alert in found if alert["state"] == "firing"]

    def fires(self, name: str, **labels: str) -> bool:
        """Return whether an alert with these labels fires in Prometheus."""
        return any(matches(alert["labels"], name, labels) for alert in self.firing())

    def notified(self, name: str, **labels: str) -> dict[str, Any] | None:
        """Return an alert as Alertmanager has it: what fires, with its state; None when there is none."""
        found = ask(f"{self.alertmanager}/api/v2/alerts")
        return next((alert for alert in found if matches(alert["labels"], name, labels)), None)

    def await_firing(self, name: str, seconds: float = PATIENCE_SECONDS, **labels: str) -> None:
        """Wait until an alert fires in Prometheus."""
        await_true(
            lambda: self.fires(name, **labels), lambda: f"{name} fires; firing: {self.firing()}", seconds, PAUSE_SECONDS
        )

    def await_notified(self, name: str, state: str = "active", seconds: float = PATIENCE_SECONDS, **labels: str) -> Any:
        """Wait until Alertmanager has an alert in a state, `active` or `suppressed`, and return it."""
        seen: list[Any] = []

        def arrived() -> bool:
            seen.append(self.notified(name, **labels))
            return seen[-1] is not None and seen[-1]["status"]["state"] == state

        found = lambda: f"{name} is {state} in Alertmanager: {seen[-1]}; firing: {self.firing()}"  # noqa: E731
        await_true(arrived, found, seconds, PAUSE_SECONDS)
        return seen[-1]

    def await_resolved(self, name: str, seconds: float = PATIENCE_SECONDS, **labels: str) -> None:
        """Wait until an alert fires neither in Prometheus nor in Alertmanager."""

        def resolved() -> bool:
            return not self.fires(name, **labels) and self.notified(name, **labels) is None

        await_true(resolved, lambda: f"{name} is resolved: {self.notified(name, **labels)}", seconds, PAUSE_SECONDS)


def matches(labels: Mapping[str, str], name: str, wanted: Mapping[str, str]) -> bool:
    """Return whether labels are those of an alert."""
    return labels["alertname"] == name and all(labels.get(key) == value for key, value in wanted.items())


def ask(url: str) -> Any:
    """Return the JSON of an address on this machine."""
    with urllib.request.urlopen(url, timeout=ASK_SECONDS) as reply:
        return json.load(reply)


def answers(url: str) -> Callable[[], bool]:
    """Return a condition that holds when an address answers."""

    def condition() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=ASK_SECONDS):
                return True
        except OSError:
            return False

    return condition


@contextlib.contextmanager
def monitoring(folder: Path, found: list[dict[str, Any]], pace: float = PACE) -> Iterator[Monitoring]:
    """Run both servers on free ports in an empty folder, over these targets."""
    prometheus_port, alertmanager_port = ports.allocate(2)
    api = Monitoring(
        f"http://{LOOPBACK}:{prometheus_port}",
        f"http://{LOOPBACK}:{alertmanager_port}",
        folder / "targets" / "local.yaml",
    )
    write_configuration(folder, alertmanager_port, pace)
    api.write_targets(found)
    with (
        started(server(ALERTMANAGER), folder, *alertmanager_options(folder, alertmanager_port)),
        started(server(PROMETHEUS), folder, *prometheus_options(folder, prometheus_port)),
    ):
        await_true(answers(f"{api.alertmanager}/-/ready"), "Alertmanager is ready")
        await_true(answers(f"{api.prometheus}/-/ready"), "Prometheus is ready")
        yield api


def write_configuration(folder: Path, alertmanager_port: int, pace: float) -> None:
    """Write what is shipped at another pace, with the address of this Alertmanager."""
    for name in ("local.yaml", "alertmanager.yaml", *(f"rules/{path.name}" for path in RULES)):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(at_pace(yaml.safe_load((SHIPPED / name).read_text()), pace)))
    (folder / "targets").mkdir()
    address = [{"targets": [f"{LOOPBACK}:{alertmanager_port}"]}]
    (folder / "targets" / "local-alertmanager.yaml").write_text(yaml.safe_dump(address))


def prometheus_options(folder: Path, port: int) -> list[str]:
    """Return the options of Prometheus."""
    return [
        f"--config.file={folder / 'local.yaml'}",
        f"--storage.tsdb.path={folder / 'prometheus-data'}",
        f"--web.listen-address={LOOPBACK}:{port}",
        "--rules.alert.resend-delay=1s",
        "--log.level=warn",
    ]


def alertmanager_options(folder: Path, port: int) -> list[str]:
    """Return the options of an Alertmanager without others."""
    return [
        f"--config.file={folder / 'alertmanager.yaml'}",
        f"--storage.path={folder / 'alertmanager-data'}",
        f"--web.listen-address={LOOPBACK}:{port}",
        "--cluster.listen-address=",
        "--log.level=warn",
    ]


@contextlib.contextmanager
def started(found: Found, folder: Path, *options: str) -> Iterator[None]:
    """Run a server, with its log in a folder; stop it at the end."""
    log = folder / f"{found.path.name}.log"
    with log.open("w") as output:
        # Where one looks for its further files that can be told no other place.
        process = subprocess.Popen([found.path, *options], cwd=found.share or folder, stdout=output, stderr=output)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
