"""Writes the Grafana dashboards from deploy/grafana/boards; --check tells whether they are current."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from boards.every import files

FOLDER = Path(__file__).parent / "dashboards"


def main() -> int:
    """Write the files, or compare them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    wanted = files()
    stale = [name for name, text in wanted.items() if not same(FOLDER / name, text)]
    superfluous = [path.name for path in FOLDER.glob("*.json") if path.name not in wanted]
    if check:
        for name in (*stale, *superfluous):
            print(f"stale: deploy/grafana/dashboards/{name}; run python deploy/grafana/generate.py", file=sys.stderr)
        return bool(stale or superfluous)
    for name in stale:
        (FOLDER / name).write_text(wanted[name])
    for name in superfluous:
        (FOLDER / name).unlink()
    return 0


def same(path: Path, text: str) -> bool:
    """Return whether a file has this text."""
    return path.exists() and path.read_text() == text


if __name__ == "__main__":
    sys.exit(main())
