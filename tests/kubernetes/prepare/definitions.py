"""The CustomResourceDefinitions of the operators whose resources the chart renders, in one file of the cache."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from prepare.go_programs import CACHE

FILE = CACHE / "crds.yaml"
READER = Path(__file__).parents[2] / "chart" / "update_crds.py"


def fetch() -> None:
    """Read them again from where tests/chart/crds.toml says."""
    subprocess.run([sys.executable, READER, "--whole", FILE], check=True)
