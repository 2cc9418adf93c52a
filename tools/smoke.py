# SPDX-License-Identifier: GPL-2.0-or-later
"""Looks whether an installed wheel works: compiled, a replay is identical, a live process answers.

usage: python tools/smoke.py RECORDING

Run it with the interpreter that vmalab is installed for. Ends with 1, and says why, where it does
not work. Uses nothing but the standard library and the installed package.
"""

import json
import os
import subprocess
import sys
import time


def answer(*arguments: str) -> tuple[dict[str, object], float]:
    """Return what a verb answers in JSON, and the seconds that took."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "vmalab", *arguments]
    # Not from here: the sources of the package are no part of what was installed.
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
    if done.returncode:
        raise SystemExit(
            f"smoke: {' '.join(arguments)} ended with {done.returncode}: {done.stderr}"
        )
    found: dict[str, object] = json.loads(done.stdout)
    return found, time.perf_counter() - began


def main() -> None:
    """Try it."""
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    told = subprocess.run(
        [sys.executable, "-m", "vmalab", "--version"], capture_output=True, text=True, cwd="/"
    ).stdout.strip()
    print(told)
    if os.environ.get("VMALAB_COMPILE", "1") != "0" and "engine: compiled" not in told:
        raise SystemExit("smoke: the engine is not compiled")
    replay, seconds = answer("replay", "--json", os.path.abspath(sys.argv[1]))
    print(
        f"replay: {replay['memory_calls']} memory calls, {replay['differ']} differ, {seconds:.2f} s"
    )
    if replay["differ"] or not replay["memory_calls"]:
        raise SystemExit("smoke: the replay is not as recorded")
    why, seconds = answer("why", "--json", str(os.getpid()))
    print(f"why of a live process: {why['vmas']} VMAs, {seconds:.2f} s")
    if not why["vmas"]:
        raise SystemExit("smoke: the live process has no VMAs")


if __name__ == "__main__":
    main()
