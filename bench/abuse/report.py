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

SCHEMA = "ordermesh.abuse/2"
MIB = 1024 * 1024
# The goals: of another client's latency, and of a component's memory.
MOST_LATENCY, MOST_MEMORY = 2.0, 1.5
COLUMNS = "| attack | victim's p50, ms | p99, ms | × | failures | memory, MiB | × | held | what the attack did |"


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
        "creates and lists orders, 40 requests a second, a fifth of them on a new connection; its latencies are from",
        "the time at which a request was due. Before → during → after the attack, medians of",
        f"{len(document['attacks'][0]['rounds'])} rounds. Memory is of the component that grew most. The attack has",
        "the least priority, so that it takes only CPU that the platform leaves; `cpu ms` is what it took.",
        f"Held: p99 within {MOST_LATENCY:g} times, memory within {MOST_MEMORY:g} times, no failure.",
        "",
        COLUMNS,
        "|---" * (COLUMNS.count("|") - 1) + "|",
        *map(row, document["attacks"]),
        "",
        f"![The victim's latencies]({path.stem}.png)",
    ]
    made = path.with_suffix(".md")
    made.write_text("\n".join(lines) + "\n")
    return made


def row(attack: Mapping[str, Any]) -> str:
    """Return the row of an attack."""
    victim, name = attack["victim"], grown(attack)
    latency, memory = victim["during"]["p99_ms"] / victim["before"]["p99_ms"], memory_ratio(attack, name)
    failures = victim["during"]["failures"] + victim["after"]["failures"]
    held = latency <= MOST_LATENCY and memory <= MOST_MEMORY and not failures
    counts = ", ".join(f"{key.replace('_', ' ')} {value:,}" for key, value in attack["rounds"][-1]["counts"].items())
    mib = (f"{attack['memory'][name][phase] / MIB:.0f}" for phase in ("before", "most", "after"))
    return (
        f"| {attack['attack']} | {phases(victim, 'p50_ms')} | {phases(victim, 'p99_ms')} | {latency:.1f} | {failures} "
        f"| {name} {' → '.join(mib)} | {memory:.2f} | {'yes' if held else 'no'} | {counts} |"
    )


def phases(victim: Mapping[str, Any], name: str) -> str:
    """Return a figure of the victim before, during and after the attack."""
    return " → ".join(f"{victim[phase][name]:.0f}" for phase in ("before", "during", "after"))


def grown(attack: Mapping[str, Any]) -> str:
    """Return the component whose memory grew most in relation to that before."""
    return max(COMPONENTS, key=lambda each: memory_ratio(attack, each))


def memory_ratio(attack: Mapping[str, Any], component: str) -> float:
    """Return the most memory of a component during the attack in relation to that before."""
    return float(attack["memory"][component]["most"] / max(attack["memory"][component]["before"], 1))


def draw(path: Path) -> Path:
    """Draw the victim's p99 before and during each attack and return the path of the picture."""
    mpl.use("Agg")
    attacks = json.loads(path.read_text())["attacks"]
    with mpl.rc_context(STYLE):
        figure, axes = pyplot.subplots(figsize=(9, 0.4 * len(attacks) + 1.5))
        for offset, (kind, colour) in enumerate((("before", THEIRS), ("during", OURS))):
            values = [each["victim"][kind]["p99_ms"] for each in attacks]
            places = [number + 0.4 * offset for number in range(len(attacks))]
            axes.barh(places, values, 0.38, color=colour, label=f"{kind} the attack")
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
