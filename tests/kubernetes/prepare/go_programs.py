"""Builds the programs of programs.toml from their Go modules into a cache outside the checkout.

usage: go_programs.py [--download] [NAME...]    all of programs.toml without a name; --download: fetch the modules only
Needs Python 3.11 and Go alone, so that the checks of the chart can build Helm before anything else is there.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

CACHE = Path(os.environ.get("ORDERMESH_KUBERNETES") or Path.home() / ".cache/ordermesh/kubernetes")
BIN = CACHE / "bin"
PROGRAMS: dict[str, dict[str, Any]] = tomllib.loads(Path(__file__).with_name("programs.toml").read_text())


def environment() -> dict[str, str]:
    """Return the environment in which go builds programs that need no library of the machine."""
    return {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod -buildvcs=false -trimpath"}


def go(*arguments: str, folder: Path = CACHE) -> str:
    """Run go and return what it prints; its complaints go to the terminal."""
    command = ["go", *arguments]
    return subprocess.run(command, cwd=folder, env=environment(), check=True, stdout=subprocess.PIPE, text=True).stdout


def source(program: dict[str, Any]) -> Path:
    """Return the folder of the program's module, with the files of its release."""
    return Path(json.loads(go("mod", "download", "-json", f"{program['module']}@{program['version']}"))["Dir"])


def own_module(name: str, program: dict[str, Any]) -> Path:
    """Make a module that builds the program with the versions and replacements of its own go.mod.

    `go install` refuses modules that replace others; replacements by a folder are parts of the same release.
    """
    folder = CACHE / "modules" / f"{name}-{program['version']}"
    if (folder / "go.mod").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    released = source(program)
    text = (released / "go.mod").read_text()
    text = re.sub(r"^module .*", f"module ordermesh.test/{name}", text, count=1, flags=re.M)
    text = re.sub(r"^(replace )?\s*\S+( v\S+)? => \.\.?/.*\n", "", text, flags=re.M)
    text = re.sub(r"^replace \(\s*\)\n", "", text, flags=re.M)
    if "staging" in program:
        text = re.sub(r"(k8s\.io/\S+) v0\.0\.0\b(?!-)", rf"\1 {program['staging']}", text)
    sums = released / "go.sum"
    (folder / "go.sum").write_text(sums.read_text() if sums.exists() else "")
    (folder / "go.mod").write_text(f"{text}\nrequire {program['module']} {program['version']}\n")
    return folder


def is_built(binary: Path, program: dict[str, Any]) -> bool:
    """Tell whether the binary is there in the version of programs.toml, as Go wrote it into the binary."""
    if not binary.exists():
        return False
    return f"\tmod\t{program['module']}\t{program['version']}\t" in go("version", "-m", str(binary))


def build(name: str, program: dict[str, Any], binary: Path, package: str) -> None:
    """Compile one program at the lowest priority, and say every half minute how many packages are done."""
    flags = " ".join(["-s -w", *program.get("flags", [])]).format(version=program["version"])
    command = ["nice", "-n", "19", "go", "build", "-v", "-ldflags", flags, "-o", f"{binary}.new", package]
    started = said = time.monotonic()
    output: list[str] = []
    folder = own_module(name, program)
    with subprocess.Popen(command, cwd=folder, env=environment(), stderr=subprocess.PIPE, text=True) as going:
        assert going.stderr is not None
        for line in going.stderr:
            output.append(line)
            if time.monotonic() - said > 30:
                said = time.monotonic()
                print(f"  {binary.name}: {len(output)} packages, {said - started:.0f} s", flush=True)
    if going.returncode:
        sys.exit(f"{binary.name} {program['version']} was not built:\n{''.join(output[-20:])}")
    Path(f"{binary}.new").rename(binary)
    print(f"{binary.name} {program['version']}: built in {time.monotonic() - started:.0f} s", flush=True)


def main(arguments: list[str]) -> None:
    """Fetch or build what the arguments name."""
    names = [argument for argument in arguments if argument != "--download"] or list(PROGRAMS)
    if unknown := set(names) - set(PROGRAMS):
        sys.exit(f"not in programs.toml: {', '.join(sorted(unknown))}")
    if shutil.which("go") is None:
        sys.exit("go is missing: install Go 1.26 or newer (https://go.dev/dl)")
    BIN.mkdir(parents=True, exist_ok=True)
    for name in names:
        program = PROGRAMS[name]
        if "--download" in arguments:
            go("mod", "download", folder=own_module(name, program))
            print(f"{name} {program['version']}: modules are there", flush=True)
            continue
        for binary, package in program["packages"].items():
            if not is_built(BIN / binary, program):
                build(name, program, BIN / binary, package)


if __name__ == "__main__":
    main(sys.argv[1:])
