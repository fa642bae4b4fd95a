"""Where the configuration is that ships for Prometheus and others: rules, routes of alerts."""

from __future__ import annotations

from pathlib import Path

# A wheel has what is needed of deploy/ beside this module (pyproject.toml), the source tree above the packages.
IN_A_WHEEL, IN_THE_SOURCE = Path(__file__).with_name("deploy"), Path(__file__).parents[2] / "deploy"


def deployed(path: str) -> Path:
    """Return a file or folder of deploy/."""
    return (IN_A_WHEEL if IN_A_WHEEL.is_dir() else IN_THE_SOURCE) / path
