# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs whose time under a recorder is measured: C, Python, Java, and a service under load.

A program says itself how long it took, from its first call to its last, by the wall's clock and of
CPU time, so that what a recorder does before and afterwards does not count.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from vmalab.calls.errors import UsageError

# Nothing but calls, by one thread; and 8 threads that map, touch, protect and unmap.
_HEAD: Final = """
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
static double now(clockid_t clock)
{ struct timespec t; clock_gettime(clock, &t); return t.tv_sec * 1e9 + t.tv_nsec; }
static double began, used;
static void begin(void)
{ began = now(CLOCK_MONOTONIC); used = now(CLOCK_PROCESS_CPUTIME_ID); }
static void end(void)
{ printf("%.0f %.0f\\n", now(CLOCK_MONOTONIC) - began, now(CLOCK_PROCESS_CPUTIME_ID) - used); }
static void *map(void)
{ return mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }
"""
_LOOP: Final = """
int main(void)
{
    void *p = map(); begin();
    for (int i = 0; i < 20000; i++) mprotect(p, 4096, i & 1 ? PROT_READ : PROT_READ | PROT_WRITE);
    end(); return 0;
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
    pthread_t t[8]; begin();
    for (int i = 0; i < 8; i++) pthread_create(&t[i], 0, works, 0);
    for (int i = 0; i < 8; i++) pthread_join(t[i], 0);
    end(); return 0;
}
"""
_PYTHON: Final = """
import time
began, used = time.perf_counter_ns(), time.process_time_ns()
import argparse, ast, decimal, email, http, json, sqlite3, subprocess, threading
kept = [[bytes(size) for size in range(1, 4000, 7)] for _ in range(40)]
json.loads(json.dumps([[i, str(i)] for i in range(100000)]))
print(time.perf_counter_ns() - began, time.process_time_ns() - used)
"""
# Its CPU time is that of all its threads, from their start.
_JAVA: Final = """
import java.util.*;
public class Loaded {
    public static void main(String[] unused) throws Exception {
        long began = System.nanoTime(), sum = 0;
        for (int turn = 0; turn < 30; turn++) {
            Map<Integer, byte[]> kept = new HashMap<>();
            for (int i = 0; i < 20000; i++) kept.put(i, new byte[200 + i % 3000]);
            for (byte[] one : kept.values()) sum += one.length;
        }
        long took = System.nanoTime() - began;
        var bean = (com.sun.management.OperatingSystemMXBean)
            java.lang.management.ManagementFactory.getOperatingSystemMXBean();
        if (sum > 0) System.out.println(took + " " + bean.getProcessCpuTime());
    }
}
"""
_TOOK: Final = re.compile(r"^(\d+) (\d+)$", re.M | re.ASCII)
# What redis-benchmark asks for: requests of 3 KB, with different keys.
_LOAD: Final = ["-q", "-n", "40000", "-d", "3000", "-r", "20000", "-t", "set,get,lpush"]
_START_SECONDS: Final = 60.0


class NotMeasured(Exception):
    """A program has not run as it should. Its text says why."""


@dataclass(frozen=True, slots=True)
class Took:
    """Nanoseconds of one run: by the wall's clock, and of CPU time."""

    wall: float
    cpu: float


# Runs a program with words before its command, and says how long it took. Errors: NotMeasured.
Measured = Callable[[list[str]], Took]


def measured_programs(folder: str) -> dict[str, Callable[[], Measured | None]]:
    """Return what builds each program in a folder: None where this machine cannot run it.

    Errors of these: UsageError without a C compiler.
    """
    return {
        "mprotect loop": lambda: _itself([_built(folder, "loop", _LOOP)]),
        "8 threads": lambda: _itself([_built(folder, "churn", _CHURN)]),
        "python": lambda: _itself([sys.executable, "-c", _PYTHON]),
        "java": lambda: _java(folder),
        "redis": lambda: _redis(folder),
    }


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


def _java(folder: str) -> Measured | None:
    """Return the program in Java, None where there is no JDK."""
    if not (shutil.which("javac") and shutil.which("java")):
        return None
    path = os.path.join(folder, "Loaded.java")
    with open(path, "w", encoding="ascii") as file:
        file.write(_JAVA)
    done = subprocess.run(["javac", path], capture_output=True, check=False)
    if done.returncode != 0:
        return None
    return _itself(["java", "-Xmx256m", "-cp", folder, "Loaded"])


def _itself(command: list[str]) -> Measured:
    """A program that prints how long it took."""

    def run(before: list[str]) -> Took:
        done = subprocess.run([*before, *command], text=True, capture_output=True, check=False)
        found = _TOOK.search(done.stdout)
        if done.returncode != 0 or found is None or "instead" in done.stderr:
            raise NotMeasured(_first_line(done.stderr))
        return Took(float(found[1]), float(found[2]))

    return run


def _redis(folder: str) -> Measured | None:
    """Return redis-server, as long as redis-benchmark takes; None where there is neither."""
    if not (shutil.which("redis-server") and shutil.which("redis-benchmark")):
        return None

    def run(before: list[str]) -> Took:
        socket = os.path.join(folder, "redis")
        server = ["redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--dir"]
        client = ["redis-cli", "-s", socket]
        with subprocess.Popen(
            [*before, *server, folder],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as running:
            try:
                _await(client, running)
                used = _used(client)
                began = time.monotonic_ns()
                subprocess.run(
                    ["redis-benchmark", "-s", socket, *_LOAD], capture_output=True, check=True
                )
                took = Took(time.monotonic_ns() - began, _used(client) - used)
                subprocess.run([*client, "shutdown", "nosave"], capture_output=True, check=True)
                running.wait()
            except (OSError, subprocess.CalledProcessError) as error:
                raise NotMeasured(str(error)) from None
            finally:
                if running.poll() is None:
                    os.killpg(running.pid, signal.SIGKILL)
        return took

    return run


def _await(client: list[str], server: "subprocess.Popen[bytes]") -> None:
    """Wait until a server answers. Errors: NotMeasured."""
    deadline = time.monotonic() + _START_SECONDS
    while subprocess.run([*client, "ping"], capture_output=True, check=False).returncode != 0:
        if server.poll() is not None or time.monotonic() > deadline:
            raise NotMeasured("redis-server does not answer")


def _used(client: list[str]) -> float:
    """Return the CPU time of a server so far, in nanoseconds. Errors: NotMeasured."""
    done = subprocess.run([*client, "info", "cpu"], capture_output=True, text=True, check=False)
    found = dict(re.findall(r"^used_cpu_(sys|user):([\d.]+)", done.stdout, re.M))
    if len(found) != 2:
        raise NotMeasured("redis-server does not say what it has used")
    return 1e9 * sum(float(seconds) for seconds in found.values())


def _first_line(text: str) -> str:
    return text.strip().split("\n")[0][:200]
