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
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from vmalab.parent import leave_in_order

# Bytes of memory that one check may need: a guest's, and what replays take.
EACH = 1 << 30
# Seconds until a kernel's check is given up, which has bounds of its own for every answer.
PATIENCE = 1800
# And until one that was told to end must have done so.
IN_ORDER = 20


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


class Checks:
    """The checks that run, one process each."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()

    def check(self, target: str, calls: int, patience: float) -> Ended:
        """Check one target, with programs where it is a guest."""
        words = ["check", "--json", "--keep-going", "--calls", str(calls), "--target", target]
        if target.startswith("qemu:"):
            words.append("--programs")
        command = [sys.executable, "-c", "from vmalab.cli.main import main; main()", *words]
        began = time.monotonic()
        pipe = subprocess.PIPE
        with subprocess.Popen(
            command, stdout=pipe, stderr=pipe, text=True, errors="replace"
        ) as process:
            self._running.add(process)
            status: int | None = None
            try:
                output, errors = process.communicate(timeout=patience)
                status = process.returncode
            except subprocess.TimeoutExpired:
                output, errors = _ended(process)
            finally:
                self._running.discard(process)
        return Ended(target, status, output, errors, time.monotonic() - began)

    def stop(self) -> None:
        """End those that run."""
        for process in tuple(self._running):
            process.terminate()


def _ended(process: subprocess.Popen[str]) -> tuple[str, str]:
    """End a check, in order if it can: its output and errors. Its guest ends with it."""
    process.terminate()
    try:
        return process.communicate(timeout=IN_ORDER)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()


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


def main(words: Sequence[str], checks: Checks | None = None) -> int:
    """Check the targets: 0 when nothing differs, 1 when something does, 2 when one was not checked.

    checks: does them; None for the usual ones.
    """
    parser = argparse.ArgumentParser(prog="check_kernels", description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=200_000, help="random calls on each")
    usual = at_a_time(os.cpu_count() or 1, available_memory())
    parser.add_argument("--jobs", type=int, default=usual, help="kernels at a time")
    parser.add_argument("--patience", type=float, default=PATIENCE, help="seconds for each")
    parser.add_argument("targets", nargs="+", metavar="TARGET")
    chosen = parser.parse_args(words)
    leave_in_order()
    checks = checks or Checks()
    began = time.monotonic()
    ends: list[Ended] = []
    with ThreadPoolExecutor(max(1, chosen.jobs)) as threads:
        asked = (chosen.calls, chosen.patience)
        left = {threads.submit(checks.check, target, *asked) for target in chosen.targets}
        try:
            for future in as_completed(tuple(left)):
                ended = future.result()
                left.discard(future)
                ends.append(ended)
                print(ended.errors, end="", file=sys.stderr, flush=True)
                print(line(ended, chosen.patience), flush=True)
        except BaseException:
            # No other one is begun, and none stays behind.
            checks.stop()
            threads.shutdown(cancel_futures=True)
            _last_words(left)
            raise
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(sums(ends, time.monotonic() - began, spent.ru_utime + spent.ru_stime))
    if any(ended.status not in (0, 1) for ended in ends):
        return 2
    return 1 if any(ended.status == 1 for ended in ends) else 0


def _last_words(left: Iterable["Future[Ended]"]) -> None:
    """Print what checks said that were interrupted: how far they came, and their seeds."""
    for future in left:
        if not future.cancelled() and future.exception() is None:
            print(future.result().errors, end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
