# SPDX-License-Identifier: GPL-2.0-or-later
"""Write the figures of kept benchmark runs into the document that shows them.

usage: python tools/figures.py      from the top of the source tree

The document shows those of a run between two lines: <!-- figures: benchmarks/results/NAME.json -->
and <!-- end of figures -->.
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


def figures(results: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    machine = results["machine"]
    mode = "compiled" if results["compiled"] else "interpreted"
    lines = [
        "| calls | model, ns | live kernel, ns | speed-up |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, times in results["profiles"].items():
        costs = f"{thousands(times['model_ns'])} | {thousands(times['live_ns'])}"
        lines.append(f"| {WHAT[name]} | {costs} | {times['ratio']:.1f} |")
    growth = results["growth"]
    uniform = results["growth_uniform"]
    largest = max(growth, key=int, default="")
    lines += ["", f"{machine['cpu']}, {machine['cores']} cores, Linux {results['kernel']}, Python"]
    lines[-1] += f" {machine['python']}, {mode}."
    if largest:
        lines[-1] += (
            f" Among {thousands(int(largest))} VMAs a call costs {growth[largest]:.0f} ns in one"
            f" region and {thousands(uniform[largest])} ns at random places; a VMA takes"
            f" {results['bytes_per_vma']} bytes."
        )
    lines[-1] += (
        f" Interpreted: {thousands(results['interpreted_calls_per_second'])} calls a second."
        f" Reading strace: {thousands(results['strace_lines_per_second'])} lines a second."
    )
    lines += peers(results)
    lines += whole_commands(results.get("pipeline"))
    return "\n".join(lines) + "\n"


def peers(results: dict[str, Any]) -> list[str]:
    """Return lines on what the same calls cost elsewhere; none when that was not measured."""
    found: list[str] = []
    for name, costs in results["peers"].items():
        model = results["profiles"][name]["model_ns"]
        others = [f"{PEERS[peer]} by {thousands(cost / model)}" for peer, cost in costs.items()]
        found.append(f"{WINDOWS[name]} {', '.join(others)}")
    if not found:
        return []
    return [
        "",
        f"Containers of ranges without Linux's rules are slower by a factor: {'; '.join(found)}.",
    ]


def whole_commands(pipeline: dict[str, Any] | None) -> list[str]:
    """Return a table of what a call costs in whole commands; none when that was not measured."""
    if pipeline is None:
        return []
    calls = pipeline["calls"]
    found = [
        "",
        f"Whole commands on a log of {thousands(calls)} calls; the live kernel makes one in"
        f" {thousands(pipeline['live_ns'])} ns:",
        "",
        "| command | s of CPU | ns a call beyond the start | calls a second |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, times in pipeline["commands"].items():
        each = times["ns_per_call"]
        rate = thousands(1e9 / each)
        found.append(f"| {name} | {min(times['seconds']):.2f} | {thousands(each)} | {rate} |")
    return found


def written(text: str, root: Path) -> str:
    """Return a document with the figures of its results."""

    def block(match: re.Match[str]) -> str:
        name = match.group(1)
        made = figures(json.loads((root / name).read_text("utf-8")))
        return f"<!-- figures: {name} -->\n\n{made}\n<!-- end of figures -->"

    return BLOCK.sub(block, text)


def main() -> None:
    """Rewrite the documents in place."""
    root = Path(__file__).resolve().parents[1]
    for name in DOCUMENTS:
        path = root / name
        path.write_text(written(path.read_text("utf-8"), root), "utf-8")


if __name__ == "__main__":
    main()
