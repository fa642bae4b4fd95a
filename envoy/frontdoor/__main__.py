"""Renders the configuration of a target (`python -m frontdoor --target compose`), or validates all (`--check`)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from frontdoor.check import validate
from frontdoor.render import render
from frontdoor.values import EnvoyConfigError, EnvoyValues

LOCAL_RUN_DIR = Path("/run/ordermesh")


def local_values() -> EnvoyValues:
    """Return the values for one machine with default ports and two orders processes."""
    sockets = [LOCAL_RUN_DIR / f"orders-{index}.sock" for index in range(2)]
    return EnvoyValues.local(LOCAL_RUN_DIR, orders_sockets=sockets, access_log=Path("/dev/stdout"))


TARGETS: dict[str, Callable[[], EnvoyValues]] = {
    "local": local_values,
    "compose": EnvoyValues.compose,
    "cluster": EnvoyValues.cluster,
}


def main() -> int:
    """Render or check; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m frontdoor", description=__doc__)
    parser.add_argument("--target", choices=TARGETS, help="the target to render")
    parser.add_argument("--out", type=Path, help="the file to write (default: standard output)")
    parser.add_argument("--hosts", default="", help="further host names to serve, separated by commas, without ports")
    parser.add_argument("--check", action="store_true", help="validate every target with Envoy")
    options = parser.parse_args()
    if not options.check and not options.target:
        parser.error("either --target local|compose|cluster or --check is required")
    hosts = tuple(filter(None, options.hosts.split(",")))
    return check() if options.check else write(options.target, options.out, hosts)


def check() -> int:
    """Validate every target; return 1 when Envoy rejects one."""
    failed = 0
    for name, values in TARGETS.items():
        try:
            validate(render(values()))
        except EnvoyConfigError as error:
            print(f"{name}: invalid: {error}", file=sys.stderr)
            failed = 1
        else:
            print(f"{name}: valid")
    return failed


def write(target: str, out: Path | None, hosts: tuple[str, ...]) -> int:
    """Write the configuration of a target; return 1 for an invalid host name."""
    try:
        values = TARGETS[target]()
        text = render(replace(values, hosts=(*values.hosts, *hosts)))
    except EnvoyConfigError as error:
        print(error, file=sys.stderr)
        return 1
    if out is None:
        sys.stdout.write(text)
    else:
        out.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
