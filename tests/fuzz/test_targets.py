"""The targets of `make fuzz` in short, with the inputs that once made one fail."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import fuzzed
from seeds import SEEDS
from targets import TARGETS

KEPT = Path(__file__).parent / "inputs"


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=300, derandomize=True)
@given(data=st.data())
def test_no_bytes_make_a_target_fail(name: str, data: st.DataObject) -> None:
    TARGETS[name](data.draw(fuzzed(*SEEDS[name])))


def test_an_input_that_once_made_a_target_fail_does_not_any_more() -> None:
    for path in KEPT.glob("*/*"):
        TARGETS[path.parent.name](path.read_bytes())


@pytest.mark.more
def test_atheris_finds_nothing_in_a_short_run() -> None:
    run = subprocess.run([KEPT.parent / "run.sh", "5000"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert re.findall(r"^(\w+): 5000 inputs", run.stdout, re.MULTILINE) == list(TARGETS)


def test_seeds_reach_what_the_targets_are_about() -> None:
    assert SEEDS.keys() == TARGETS.keys()
    for name, seeds in SEEDS.items():
        for seed in seeds:
            TARGETS[name](seed)
