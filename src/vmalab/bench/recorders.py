# SPDX-License-Identifier: GPL-2.0-or-later
"""What recording costs the recorded: the same programs alone and under each recorder, in turn.

A program measures itself, from its first call to its last, so that what a recorder does before
and afterwards does not count. Its time is the wall's: what the recorder does meanwhile does.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from vmalab.calls.errors import UsageError

ALONE: Final = "alone"
# What stands before a program's command; {} is a new folder, or a new file.
RECORDERS: Final[dict[str, tuple[str, ...]]] = {
    ALONE: (),
    "events": (sys.executable, "-m", "vmalab", "record", "--tracer", "events", "-o", "{}", "--"),
    "ptrace": (sys.executable, "-m", "vmalab", "record", "--tracer", "ptrace", "-o", "{}", "--"),
    "strace -f": ("strace", "-f", "-o", "{}"),
    "perf trace": ("perf", "trace", "-o", "{}"),
}
# Nothing but calls, by one thread; and 8 threads that map, touch, protect and unmap. Each prints
# nanoseconds.
_HEAD: Final = """
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
static double now(void)
{ struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1e9 + t.tv_nsec; }
static void *map(void)
{ return mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }
"""
_LOOP: Final = """
int main(void)
{
    void *p = map(); double began = now();
    for (int i = 0; i < 20000; i++) mprotect(p, 4096, i & 1 ? PROT_READ : PROT_READ | PROT_WRITE);
    printf("%.0f\\n", now() - began); return 0;
}
"""
_CHURN: Final = """
static void *works(void *unused)
{
    for (int i = 0; i < 500; i++) {
        char *p = map();
        for (int at = 0; at < 65536; at += 4096) p[at] = 1;
        mprotect(p, 4096, PROT_READ); munmap(p, 65536);
    }
    return 0;
}
int main(void)
{
    pthread_t t[8]; double began = now();
    for (int i = 0; i < 8; i++) pthread_create(&t[i], 0, works, 0);
    for (int i = 0; i < 8; i++) pthread_join(t[i], 0);
    printf("%.0f\\n", now() - began); return 0;
}
"""
_PYTHON: Final = """
import time
began = time.perf_counter_ns()
import argparse, ast, decimal, email, http, json, sqlite3, subprocess, threading
kept = [[bytes(size) for size in range(1, 4000, 7)] for _ in range(40)]
json.loads(json.dumps([[i, str(i)] for i in range(100000)]))
print(time.perf_counter_ns() - began)
"""


@dataclass(slots=True)
class RecorderTimes:
    """Nanoseconds of one program, by recorder, one for each turn; missing: recorders that are not
    there, or could not record, and why.
    """

    turns: dict[str, list[float]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def best(self, recorder: str) -> float:
        """Return the shortest of a recorder's times: that which other work disturbed least."""
        return min(self.turns[recorder])

    def ratio(self, recorder: str) -> float:
        """Return how many times its own time the program takes, by the best of both."""
        return self.best(recorder) / self.best(ALONE)


def measure_recorders(
    turns: int, tell: Callable[[str], None], recorders: Iterable[str] = tuple(RECORDERS)
) -> dict[str, RecorderTimes]:
    """Run every program under every recorder, in turn. Errors: UsageError without a C compiler."""
    with tempfile.TemporaryDirectory(prefix="vmalab-") as folder:
        programs = {
            "mprotect loop": [_built(folder, "loop", _LOOP)],
            "8 threads": [_built(folder, "churn", _CHURN)],
            "python": [sys.executable, "-c", _PYTHON],
        }
        found = {name: RecorderTimes() for name in programs}
        for turn in range(turns):
            for name, command in programs.items():
                for recorder in recorders:
                    tell(f"{name}, {recorder}")
                    _run(found[name], recorder, command, os.path.join(folder, f"r{turn}"))
    return found


def _built(folder: str, name: str, source: str) -> str:
    compiler = shutil.which("cc")
    if compiler is None:
        raise UsageError("the programs that are recorded need a C compiler (cc)")
    path = os.path.join(folder, name)
    command = [compiler, "-O1", "-pthread", "-x", "c", "-o", path, "-"]
    done = subprocess.run(
        command, input=_HEAD + source, text=True, capture_output=True, check=False
    )
    if done.returncode != 0:
        raise UsageError(f"cc cannot build a program to be recorded: {done.stderr[:200]}")
    return path


def _run(times: RecorderTimes, recorder: str, command: list[str], place: str) -> None:
    """One program under one recorder. What it writes is thrown away."""
    if recorder in times.missing:
        return
    before = [part.replace("{}", place) for part in RECORDERS[recorder]]
    if before and shutil.which(before[0]) is None:
        times.missing[recorder] = "it is not installed"
        return
    done = subprocess.run([*before, *command], text=True, capture_output=True, check=False)
    shutil.rmtree(place, ignore_errors=True)
    if os.path.lexists(place):
        os.unlink(place)
    numbers = [line for line in done.stdout.split("\n") if line.isdecimal()]
    if done.returncode != 0 or not numbers or "instead" in done.stderr:
        lines = done.stderr.strip().split("\n")
        times.missing[recorder] = lines[0][:200]
        return
    times.turns.setdefault(recorder, []).append(float(numbers[0]))
