# SPDX-License-Identifier: GPL-2.0-or-later
"""Write the figures of kept benchmark runs into the document that shows them.

usage: python tools/figures.py      from the top of the source tree

The document shows them, a column for each run, between two lines: <!-- figures: PATTERN --> with a
pattern of their names, as benchmarks/results/*-cores.json, and <!-- end of figures -->.
"""

import json
import re
from pathlib import Path
from typing import Any

DOCUMENTS = ("docs/reference/bench.md",)
BLOCK = re.compile(r"<!-- figures: (\S+) -->\n(.*?)<!-- end of figures -->", re.DOTALL)
WHAT = {
    "dense": "mmap, munmap, mprotect, madvise within 256 pages",
    "pages4096": "the same within 4 096 pages",
    "pages65536": "the same within 65 536 pages",
    "placement": "mmap finds a place among 1 000 mappings, and munmap",
    "mremap": "moving and resizing",
    "file": "files, shared and private",
    "mlock": "locking",
    "fork": "fork",
    "real": "recorded programs, the median",
}
PEERS = {"sorted list": "a sorted list in Python", "Unicorn": "Unicorn's memory map"}
WINDOWS = {"dense": "within 256 pages", "pages4096": "within 4 096 pages"}


def thousands(number: float) -> str:
    """Return a number in groups of three digits."""
    return f"{number:,.0f}".replace(",", " ")


def figures(runs: dict[str, dict[str, Any]]) -> str:
    """Return the figures of runs, each by its name, as Markdown."""
    names = {name for run in runs.values() for name in run["profiles"]}
    lines = heading("calls", runs)
    for name in (name for name in WHAT if name in names):
        cells = (equation(run["profiles"].get(name)) for run in runs.values())
        lines.append(f"| {WHAT[name]} | {' | '.join(cells)} |")
    lines.append("")
    for name, run in runs.items():
        lines.append(f"- `{name}`: {description(run)}{peers(run)}")
    return "\n".join(lines + whole_commands(runs)) + "\n"


def heading(first: str, runs: dict[str, dict[str, Any]]) -> list[str]:
    """Return the two lines that a table begins with."""
    return [f"| {first} | {' | '.join(runs)} |", f"| --- |{' ---: |' * len(runs)}"]


def equation(times: dict[str, Any] | None) -> str:
    """Return what a call costs on the live kernel and in the model, and the speed-up."""
    if times is None:
        return ""
    live, model = thousands(times["live_ns"]), thousands(times["model_ns"])
    return f"{live} / {model} = {times['ratio']:.1f}"


def description(run: dict[str, Any]) -> str:
    """Return what a machine is, and the figures that are of the model alone."""
    machine, growth, uniform = run["machine"], run["growth"], run["growth_uniform"]
    mode = "compiled" if run["compiled"] else "interpreted"
    text = (
        f"{machine['cpu']}, {machine['cores']} cores, Linux {run['kernel']}, Python"
        f" {machine['python']}, {mode}, {machine['date']}; fixed work took"
        f" {machine['calibration_ms']:.1f} ms."
    )
    largest = max(growth, key=int, default="")
    if largest:
        text += (
            f" Among {thousands(int(largest))} VMAs a call costs {growth[largest]:.0f} ns in one"
            f" region and {thousands(uniform[largest])} ns at random places; a VMA takes"
            f" {run['bytes_per_vma']} bytes."
        )
    return text + (
        f" Interpreted: {thousands(run['interpreted_calls_per_second'])} calls a second."
        f" Reading strace: {thousands(run['strace_lines_per_second'])} lines a second."
    )


def peers(run: dict[str, Any]) -> str:
    """Return what the same calls cost elsewhere; "" when that was not measured."""
    found: list[str] = []
    for name, costs in run["peers"].items():
        model = run["profiles"][name]["model_ns"]
        others = [f"{PEERS[peer]} by {cost / model:.1f}" for peer, cost in costs.items()]
        found.append(f"{WINDOWS[name]} {', '.join(others)}")
    if not found:
        return ""
    return (
        f" Containers of ranges without Linux's rules are slower by a factor: {'; '.join(found)}."
    )


def whole_commands(runs: dict[str, dict[str, Any]]) -> list[str]:
    """Return a table of what a call costs in whole commands."""
    pipelines = [run["pipeline"] for run in runs.values()]
    calls = thousands(pipelines[0]["calls"])
    found = [
        "",
        f"Whole commands on a log of {calls} calls: ns of CPU a call, beyond the start, and calls a"
        " second. The last line is the same calls on the live kernel.",
        "",
        *heading("command", runs),
    ]
    for name in pipelines[0]["commands"]:
        each = [pipeline["commands"][name]["ns_per_call"] for pipeline in pipelines]
        found.append(f"| {name} | {' | '.join(map(speed, each))} |")
    live = " | ".join(speed(pipeline["live_ns"]) for pipeline in pipelines)
    return [*found, f"| the live kernel | {live} |"]


def speed(each: float) -> str:
    """Return ns a call, and calls a second."""
    return f"{thousands(each)} ({thousands(1e9 / each)}/s)"


def written(text: str, root: Path) -> str:
    """Return a document with the figures of its results."""

    def block(match: re.Match[str]) -> str:
        pattern = match.group(1)
        runs = {
            path.stem: json.loads(path.read_text("utf-8")) for path in sorted(root.glob(pattern))
        }
        return f"<!-- figures: {pattern} -->\n\n{figures(runs)}\n<!-- end of figures -->"

    return BLOCK.sub(block, text)


def main() -> None:
    """Rewrite the documents in place."""
    root = Path(__file__).resolve().parents[1]
    for name in DOCUMENTS:
        path = root / name
        path.write_text(written(path.read_text("utf-8"), root), "utf-8")


if __name__ == "__main__":
    main()
