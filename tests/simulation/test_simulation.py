"""The platform's programs on a simulated machine: no seed finds a violation, and every known bug is found."""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from bugs import BUGS, Bug
from simulated.oracle import Violation
from simulated.world import Report, simulate

FOLDER = Path(__file__).parent
# A hundred thousand steps with faults.
SEEDS = range(40)
STEPS = 2_500
FAILED = tomllib.loads((FOLDER / "failed_seeds.toml").read_text())["run"]


def simulate_all() -> list[Report]:
    return [simulate(seed, STEPS) for seed in SEEDS]


def test_nothing_is_lost_doubled_or_out_of_order_whatever_happens() -> None:
    reports = simulate_all()
    assert sum(report.steps for report in reports) >= 100_000
    # What is to be survived did happen.
    assert all(sum(getattr(report, name) for report in reports) > 100 for name in ("orders", "duplicates", "restarts"))


@pytest.mark.parametrize("run", FAILED, ids=lambda run: str(run["seed"]))
def test_a_run_that_failed_once_holds(run: dict[str, Any]) -> None:
    simulate(run["seed"], run["steps"])


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_a_known_bug_is_found(bug: Bug) -> None:
    with bug(), pytest.raises(Violation):
        simulate_all()


def test_a_seed_replays_in_another_process() -> None:
    program = f"import sys; sys.path[:0] = {sys.path!r}; from simulated.world import simulate; print(simulate(3, 500))"
    found = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONHASHSEED": "7"}, check=True, capture_output=True, text=True
    )
    assert found.stdout.strip() == str(simulate(3, 500))
