"""Runs atheris on a target for a number of inputs; `python tests/fuzz/run.py TARGET RUNS`.

An input that makes the target fail is written to tests/fuzz/inputs/TARGET: keep it, the tests read it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["orders", "processor", "gateway", "runtime", "targets"]):
    from seeds import SEEDS
    from targets import TARGETS

KEPT = Path(__file__).parent / "inputs"


def main(name: str, runs: int) -> None:
    """Fuzz a target, from its seeds; ends the process, with an exit code other than 0 when an input fails."""
    kept = KEPT / name
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(SEEDS[name]):
            (Path(corpus) / str(number)).write_bytes(seed)
        options = [f"-runs={runs}", "-seed=1", "-max_len=4096", "-timeout=10", "-verbosity=0", "-print_final_stats=1"]
        atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={kept}/", corpus, str(kept)], TARGETS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
