"""The result of attacks: a file with all figures, a page with a table, and a chart."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot

from bench.abuse.footprint import COMPONENTS
from bench.abuse.run import Outcome
from bench.report.plots import OURS, STYLE, THEIRS
from bench.report.result import Result

SCHEMA = "ordermesh.abuse/1"
MIB = 1024 * 1024
COLUMNS = "| attack | victim p50, ms | p99, ms | failures | most memory, of before | memory kept | what it held |"


def write(machine: Result, seconds: float, outcomes: Sequence[Outcome]) -> Path:
    """Write the file of a run and return its path."""
    document = {
        **machine.heading(SCHEMA),
        "seconds": seconds,
        "attacks": [each.as_json() for each in outcomes],
    }
    machine.path.parent.mkdir(exist_ok=True)
    machine.path.write_text(json.dumps(document, indent=1) + "\n")
    return machine.path


def page(path: Path, command: str) -> Path:
    """Write the page beside a result file and return its path."""
    document = json.loads(path.read_text())
    lines = [
        f"# Attacks beside a victim: {document['name']}",
        "",
        f"`{command}`, {document['machine']['cores']} cores, each attack {document['seconds']:g} s. The victim",
        "creates and lists orders, 40 requests a second, a fifth of them on a new connection. Its latencies without",
        "and with the attack are from the time at which a request was due. Memory is of the component that grew most.",
        "",
        COLUMNS,
        "|---|---|---|---|---|---|---|",
        *map(row, document["attacks"]),
        "",
        f"![The victim's latencies]({path.stem}.png)",
    ]
    made = path.with_suffix(".md")
    made.write_text("\n".join(lines) + "\n")
    return made


def row(attack: Mapping[str, Any]) -> str:
    """Return the row of an attack."""
    calm, under = attack["victim"]["calm"], attack["victim"]["attacked"]
    name = max(COMPONENTS, key=lambda each: memory_ratio(attack, each))
    kept = max(attack["after"][each]["memory_bytes"] - attack["before"][each]["memory_bytes"] for each in COMPONENTS)
    held = ", ".join(f"{key.replace('_', ' ')} {value:,}" for key, value in attack["counts"].items())
    return (
        f"| {attack['attack']} | {calm['p50_ms']} → {under['p50_ms']} | {calm['p99_ms']} → {under['p99_ms']} "
        f"| {under['failures']} of {under['answers'] + under['failures']} "
        f"| {name} × {memory_ratio(attack, name):.2f} | {kept / MIB:.0f} MiB | {held} |"
    )


def memory_ratio(attack: Mapping[str, Any], component: str) -> float:
    """Return the largest memory of a component during the attack in relation to that before."""
    before, peak = attack["before"][component]["memory_bytes"], attack["peak"][component]["memory_bytes"]
    return int(peak) / max(int(before), 1)


def draw(path: Path) -> Path:
    """Draw the victim's p99 without and with each attack and return the path of the picture."""
    mpl.use("Agg")
    attacks = json.loads(path.read_text())["attacks"]
    with mpl.rc_context(STYLE):
        figure, axes = pyplot.subplots(figsize=(9, 0.4 * len(attacks) + 1.5))
        for offset, (kind, colour) in enumerate((("calm", THEIRS), ("attacked", OURS))):
            values = [each["victim"][kind]["p99_ms"] for each in attacks]
            places = [number + 0.4 * offset for number in range(len(attacks))]
            axes.barh(
                places, values, 0.38, color=colour, label={"calm": "without", "attacked": "with the attack"}[kind]
            )
        axes.set_yticks([number + 0.2 for number in range(len(attacks))], [each["attack"] for each in attacks])
        axes.invert_yaxis()
        axes.set_xscale("log")
        # The lengths of bars compare only when all runs begin at the same value.
        axes.set_xlim(left=1)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlabel("the victim's p99, ms")
        axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
        axes.set_title("Another client's p99 beside an attack")
        figure.tight_layout()
        picture = path.with_suffix(".png")
        figure.savefig(picture, dpi=120)
        pyplot.close(figure)
    return picture
