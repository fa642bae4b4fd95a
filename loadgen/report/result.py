"""The result of a run: its fields are those of the JSON of `--output`, described in loadgen/README.md."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from loadgen.exit_codes import PRECEDENCE
from loadgen.options import Options
from loadgen.reconciliation.verdict import Reconciliation, Verdict
from loadgen.report.machine import Machine
from loadgen.schedule import describe
from loadgen.sending.recorder import Recorder
from runtime.exit_codes import ExitCode

SCHEMA = "ordermesh.loadgen/2"
HIGHEST_LAG_MS = 1.0


@dataclass(frozen=True)
class Orders:
    """Orders by outcome: offered = accepted + failed; unanswered and not_sent are parts of failed."""

    offered: int
    accepted: int
    accepted_revenue: float
    failed: int
    unanswered: int
    not_sent: int


@dataclass(frozen=True)
class SeriesPerSecond:
    """Orders in each second of the run: offered when due, accepted and failed when the last answer arrived."""

    offered: list[int]
    accepted: list[int]
    failed: list[int]


@dataclass(frozen=True)
class Latency:
    """Percentiles in milliseconds from the due time of an order to its last answer."""

    accepted: dict[str, float]
    failed: dict[str, float]


@dataclass(frozen=True)
class Outcome:
    """The exit code of the run; `void_because` has the reasons why the figures are not valid as a benchmark."""

    exit_code: int
    name: str
    void_because: list[str]


@dataclass(frozen=True)
class Timing:
    """The time of the run, and the CPU time of the generator."""

    started_at: str
    sending_seconds: float
    interrupted: bool
    realtime: bool
    generator_cpu_us_per_order: float


@dataclass(frozen=True)
class Result:
    """The result of a run."""

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
        """The exit code of the run."""
        return ExitCode(self.outcome.exit_code)

    def write(self, path: Path) -> str:
        """Write the result as JSON; return an error message, empty on success."""
        try:
            path.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            return f"{path}: {error.strerror}"
        return ""


def judge_run(options: Options, recorder: Recorder, reconciliation: Reconciliation | None) -> ExitCode:
    """Return the exit code of highest precedence that applies."""
    found = {ExitCode.OK}
    if reconciliation is not None and reconciliation.verdict is not Verdict.AGREES:
        found.add(ExitCode.DIFFERS if reconciliation.verdict is Verdict.DIFFERS else ExitCode.NOT_PROVEN)
    # Orders that the generator could not send are not failures of the platform; they invalidate a benchmark.
    if recorder.errors.total() > options.max_error_share * (recorder.offered - recorder.not_sent):
        found.add(ExitCode.ERRORS)
    return next(code for code in PRECEDENCE if code in found)


def why_void(lag_ms: dict[str, float], not_sent: int, interrupted: bool) -> list[str]:
    """Return the reasons why the figures are not valid as a benchmark."""
    reasons = []
    if lag_ms["p99"] > HIGHEST_LAG_MS:
        reasons.append(f"schedule lag p99 {lag_ms['p99']:.2f} ms exceeds {HIGHEST_LAG_MS:g} ms")
    if not_sent:
        reasons.append(f"{not_sent:,} orders were never sent: --max-in-flight was reached")
    if interrupted:
        reasons.append("the run was interrupted")
    return reasons


def options_as_json(options: Options) -> dict[str, Any]:
    """Return the options as JSON values."""
    plain = asdict(options)
    plain["target"] = options.target.url
    plain["profile"] = describe(options.profile)
    plain["output"] = str(options.output) if options.output else None
    return plain


def utc_text(moment: datetime) -> str:
    """Format a UTC time to the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
