#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Compares the model with this machine's kernel and kernels in QEMU, some at a time.

Each kernel is one `vmalab check`, which boots its guest once. What it finds is shown when it ends,
then its calls, differences and seconds; at the end come the sums and the time of processors.

usage: tools/check_kernels.py [--calls N] [--jobs J] [--patience SECONDS] TARGET...
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

# Bytes of memory that one check may need: a guest's, and what replays take.
EACH = 1 << 30
# Seconds until a kernel's check is given up, which has bounds of its own for every answer.
PATIENCE = 1800


@dataclass(frozen=True)
class Ended:
    """How a check of one target ended. status: its exit status, None for given up."""

    target: str
    status: int | None
    output: str
    errors: str
    seconds: float


def at_a_time(processors: int, available: int) -> int:
    """Return how many kernels are checked at a time. available: bytes of memory."""
    return max(1, min(processors, available // EACH))


def available_memory() -> int:
    """Return how many bytes of memory are available; enough for two where nothing tells."""
    try:
        found = re.search(r"^MemAvailable: +(\d+) kB$", Path("/proc/meminfo").read_text(), re.M)
    except OSError:
        found = None
    return int(found[1]) << 10 if found else 2 * EACH


def check(target: str, calls: int, patience: float) -> Ended:
    """Check one target, with programs where it is a guest."""
    words = ["check", "--json", "--keep-going", "--calls", str(calls), "--target", target]
    if target.startswith("qemu:"):
        words.append("--programs")
    command = [sys.executable, "-c", "from vmalab.cli.main import main; main()", *words]
    began = time.monotonic()
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        status: int | None
        try:
            output, errors = process.communicate(timeout=patience)
            status = process.returncode
        except subprocess.TimeoutExpired:
            # Its guest ends with it.
            process.kill()
            output, errors = process.communicate()
            status = None
    return Ended(target, status, output, errors, time.monotonic() - began)


def figures(ended: Ended) -> tuple[int, int]:
    """Return the calls that were compared and the differences, those of programs too."""
    try:
        answer = json.loads(ended.output)
        programs = answer.get("programs", [])
        differ = sum(not program["identical"] for program in programs)
        return answer["calls"], answer["differences"] + differ
    except (ValueError, KeyError, TypeError, AttributeError):
        return 0, 0


def line(ended: Ended, patience: float = PATIENCE) -> str:
    """Return what came of one target."""
    head = f"{ended.target}: "
    if ended.status is None:
        return f"{head}GIVEN UP after {patience:.0f} s"
    if ended.status not in (0, 1):
        return f"{head}NOT CHECKED, {ended.seconds:.0f} s"
    calls, differences = figures(ended)
    answer = json.loads(ended.output)
    found = f"{differences} DIFFERENCES" if differences else "0 differences"
    programs = f", {len(answer['programs'])} programs" if "programs" in answer else ""
    return (
        f"{head}{answer['kernel']}: {calls} calls{programs}, {found}, {ended.seconds:.0f} s "
        f"(seed {answer['seed']})"
    )


def sums(ends: Sequence[Ended], seconds: float, used: float) -> str:
    """Return the last line. used: seconds of processors, of all together."""
    pairs = [figures(ended) for ended in ends]
    unusable = sum(ended.status not in (0, 1) for ended in ends)
    text = (
        f"{len(ends)} kernels, {sum(calls for calls, _ in pairs)} calls, "
        f"{sum(found for _, found in pairs)} differences"
    )
    if unusable:
        text += f", {unusable} NOT CHECKED"
    return f"{text}: {seconds:.0f} s, {used:.0f} s of processors"


def main(words: Sequence[str], check: Callable[[str, int, float], Ended] = check) -> int:
    """Check the targets: 0 when nothing differs, 1 when something does, 2 when one was not checked.

    check: does one of them.
    """
    parser = argparse.ArgumentParser(prog="check_kernels", description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=200_000, help="random calls on each")
    usual = at_a_time(os.cpu_count() or 1, available_memory())
    parser.add_argument("--jobs", type=int, default=usual, help="kernels at a time")
    parser.add_argument("--patience", type=float, default=PATIENCE, help="seconds for each")
    parser.add_argument("targets", nargs="+", metavar="TARGET")
    chosen = parser.parse_args(words)
    began = time.monotonic()
    ends: list[Ended] = []
    with ThreadPoolExecutor(max(1, chosen.jobs)) as threads:
        futures = [
            threads.submit(check, target, chosen.calls, chosen.patience)
            for target in chosen.targets
        ]
        for future in as_completed(futures):
            ended = future.result()
            ends.append(ended)
            if ended.errors:
                print(ended.errors, end="", file=sys.stderr, flush=True)
            print(line(ended, chosen.patience), flush=True)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(sums(ends, time.monotonic() - began, spent.ru_utime + spent.ru_stime))
    if any(ended.status not in (0, 1) for ended in ends):
        return 2
    return 1 if any(ended.status == 1 for ended in ends) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
