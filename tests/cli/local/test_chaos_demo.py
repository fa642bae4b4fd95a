"""`ordermesh demo --chaos`: servers and services are killed under load, and in the end everything agrees."""

from __future__ import annotations

import re

import pytest
from command import Place


@pytest.mark.more
@pytest.mark.timeout(300)
def test_what_was_acknowledged_is_counted_though_parts_were_killed(place: Place) -> None:
    done = place.run("demo", "--chaos", "--rate", "40", "--seconds", "12", "--seed", "5")
    assert done.returncode == 0, done.stdout + done.stderr
    killed = re.search(r"^killed (\d+) processes: ", done.stdout, re.MULTILINE)
    assert killed is not None
    assert int(killed[1]) == len(re.findall(r"  killed [\w ]+ \(pid \d+\)", done.stdout)) > 1
    assert "seed 5 (repeat with --chaos --seed 5)" in done.stdout
    assert re.search(r"^dashboard: http://127\.0\.0\.1:\d+/", done.stdout, re.MULTILINE)
    assert "AGREES: " in done.stdout


def test_a_seed_without_chaos_is_refused(place: Place) -> None:
    done = place.run("demo", "--seed", "5")
    assert done.returncode == 2
    assert "--seed is for --chaos" in done.stderr
