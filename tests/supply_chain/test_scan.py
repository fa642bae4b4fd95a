"""What `make scan` reports; the rules have their examples beside them, which the scan itself runs."""

from __future__ import annotations

import re
import tomllib
from collections import Counter

import make_scan
import pytest
import yaml


def test_a_finding_that_is_not_accepted_and_an_entry_that_nothing_finds_are_named() -> None:
    found = Counter([("bandit.B1", "a.py"), ("bandit.B1", "a.py")])
    accepted = Counter([("bandit.B1", "a.py"), ("semgrep.shell", "b.py")])
    assert make_scan.differences(found, accepted) == [
        "a.py: bandit.B1, 1 more than accepted",
        "b.py: semgrep.shell is accepted and was not found, 1 times",
    ]
    assert make_scan.differences(found, found) == []


def test_what_is_accepted_needs_a_reason() -> None:
    with pytest.raises(SystemExit, match=r"B1 in a\.py has no reason"):
        make_scan.accepted({"accepted": [{"rule": "B1", "path": "a.py"}]})
    entries = tomllib.loads((make_scan.HERE / "accepted.toml").read_text())
    assert all((make_scan.ROOT / path).exists() for _, path in make_scan.accepted(entries))


def test_each_rule_has_a_bad_and_a_good_example() -> None:
    for rules, examples in (("python.yaml", "python.py"), ("containers.yaml", "containers.test.yaml")):
        ids = {rule["id"] for rule in yaml.safe_load((make_scan.RULES / rules).read_text())["rules"]}
        text = (make_scan.RULES / examples).read_text()
        for kind in ("ruleid", "ok"):
            named = re.findall(rf"# {kind}: (.*)", text)
            assert {one.strip() for line in named for one in line.split(",")} == ids
