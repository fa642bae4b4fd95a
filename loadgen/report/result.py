"""The result of a run: its fields are the JSON schema of `--output`, described in loadgen/README.md."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from loadgen.exit_codes import GRAVITY
from loadgen.options import Options
from loadgen.proof.proof import Proof, Reconciliation
from loadgen.report.machine import Machine
from loadgen.schedule import describe
from loadgen.sending.recorder import Recorder
from runtime.exit_codes import ExitCode

SCHEMA = "ordermesh.loadgen/1"
HIGHEST_LAG_MS = 1.0


@dataclass(frozen=True)
class Orders:
    """What became of the orders: offered = accepted + failed, and unanswered and not_sent are parts of failed."""

    offered: int
    accepted: int
    accepted_revenue: float
    failed: int
    unanswered: int
    not_sent: int


@dataclass(frozen=True)
class SeriesPerSecond:
    """Orders in each second of the run: offered when due, accepted and failed when that was known."""

    offered: list[int]
    accepted: list[int]
    failed: list[int]


@dataclass(frozen=True)
class Latency:
    """Percentiles in milliseconds from when an order was due until its last answer."""

    accepted: dict[str, float]
    failed: dict[str, float]


@dataclass(frozen=True)
class Outcome:
    """How the run is judged; `void_because` says why it is no benchmark, empty when it is one."""

    exit_code: int
    name: str
    void_because: list[str]


@dataclass(frozen=True)
class Timing:
    """When the run was, and what the generator itself cost."""

    started_at: str
    sending_seconds: float
    interrupted: bool
    realtime: bool
    generator_cpu_us_per_order: float


@dataclass(frozen=True)
class Result:
    """Everything that a run found."""

    schema: str
    outcome: Outcome
    options: dict[str, Any]
    timing: Timing
    machine: Machine
    versions: dict[str, str]
    orders: Orders
    accepted_per_second: float
    latency_ms: Latency
    schedule_lag_ms: dict[str, float]
    held_calls: int
    errors: dict[str, int]
    retries: dict[str, int]
    per_second: SeriesPerSecond
    reconciliation: Reconciliation | None

    @property
    def exit_code(self) -> ExitCode:
        """Return the exit code that the run earned."""
        return ExitCode(self.outcome.exit_code)

    def write(self, path: Path) -> str:
        """Write the result as JSON and return what went wrong, empty when nothing did."""
        try:
            path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            return f"{path}: {error.strerror}"
        return ""


def judge_run(options: Options, recorder: Recorder, reconciliation: Reconciliation | None) -> ExitCode:
    """Return the gravest exit code that applies."""
    found = {ExitCode.OK}
    if reconciliation is not None and reconciliation.proof is not Proof.AGREES:
        found.add(ExitCode.DIFFERS if reconciliation.proof is Proof.DIFFERS else ExitCode.NOT_PROVEN)
    # What the generator could not send is no fault of the platform's: it voids a benchmark.
    if recorder.errors.total() > options.max_error_share * (recorder.offered - recorder.not_sent):
        found.add(ExitCode.ERRORS)
    return next(code for code in GRAVITY if code in found)


def why_void(lag_ms: dict[str, float], not_sent: int, interrupted: bool) -> list[str]:
    """Return why the run's figures are no benchmark."""
    reasons = []
    if lag_ms["p99"] > HIGHEST_LAG_MS:
        reasons.append(f"the generator was late: schedule lag p99 {lag_ms['p99']:.2f} ms is over {HIGHEST_LAG_MS:g} ms")
    if not_sent:
        reasons.append(f"{not_sent:,} orders were never sent: as many as --max-in-flight had no answer")
    if interrupted:
        reasons.append("the run was ended early")
    return reasons


def options_as_json(options: Options) -> dict[str, Any]:
    """Return the options in plain JSON values."""
    plain = asdict(options)
    plain["target"] = f"http://{options.target.address}"
    plain["profile"] = describe(options.profile)
    plain["output"] = str(options.output) if options.output else None
    return plain


def utc_text(moment: datetime) -> str:
    """Return a moment of UTC to the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
