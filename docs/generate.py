"""Generates the pages of the reference from the code.

`python docs/generate.py` writes docs/reference/; `--check` fails when a page is stale and names it. `tables` needs a
PostgreSQL server, which is started for it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "reference"
sys.path.insert(0, str(ROOT / "proto"))

from contract_reader import Contracts  # noqa: E402  # found by the path above
from generator import commands, contracts, errors, exit_codes, helm_values, log_fields, metrics, tables  # noqa: E402  # sorted with it

from cli.settings import table as settings_table  # noqa: E402  # sorted with them


def read_contracts() -> Contracts:
    """Compile the contracts with their comments."""
    with tempfile.TemporaryDirectory() as scratch:
        image = Path(scratch) / "image.binpb"
        program = ROOT / "proto" / "generate.py"
        subprocess.run([sys.executable, program, "--image", image], check=True)  # noqa: S603  # our own program
        return Contracts(image.read_bytes())


def pages() -> dict[str, Callable[[], str]]:
    """Return what makes each page, by its file name."""
    known = read_contracts()
    return {
        "contracts.md": lambda: contracts.page(known),
        "errors.md": lambda: errors.page(known),
        "settings.md": settings_table,
        "cli.md": commands.page,
        "metrics.md": metrics.page,
        "log-fields.md": lambda: log_fields.page(ROOT),
        "helm-values.md": lambda: helm_values.page(ROOT),
        "exit-codes.md": lambda: exit_codes.page(ROOT),
        "tables.md": tables.page,
    }


def main() -> None:
    """Generate the pages, or check those that are there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when a page is stale; write nothing")
    parser.add_argument("pages", nargs="*", help="names of pages; all without any")
    options = parser.parse_args()
    made = pages()
    wanted = options.pages or list(made)
    if unknown := set(wanted) - set(made):
        sys.exit(f"no such page: {', '.join(sorted(unknown))}; there are {', '.join(made)}")
    stale = [name for name in wanted if not fresh(PAGES / name, made[name](), write=not options.check)]
    if stale and options.check:
        sys.exit(f"stale, run `python docs/generate.py`: {', '.join(stale)}")


def fresh(path: Path, text: str, *, write: bool) -> bool:
    """Return whether a page has the text; write it if asked to."""
    same = path.exists() and path.read_text() == text
    if write:
        path.write_text(text)
    return same


if __name__ == "__main__":
    main()
