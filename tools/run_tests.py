# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs all tests once: those of the engine with it compiled, the others while it is compiled.

usage: python tools/run_tests.py [ARGUMENTS OF PYTEST...]

Run it from the top of the source tree. tests/conftest.py says which tests are the engine's. Where
nothing can be compiled, all run with the engine interpreted. Tests that the arguments name run in
both ways. Ends with 0 where all pass, else as pytest does.
"""

import os
import signal
import subprocess
import sys
import tempfile
from typing import Final

from backend import why_not

# A process for each core.
PYTEST: Final = [sys.executable, "-m", "pytest", "-n", "auto", "--dist", "worksteal"]
NO_TESTS: Final = 5
# Compiling takes what time the tests leave.
NICE: Final = 10
COMPILE: Final = [sys.executable, "tools/compiled.py"]
TOLD: Final = {
    "interpreted": "all tests, with the engine interpreted",
    "rest": "the tests around the engine, with it interpreted",
    "compiled": "the tests of the engine, compiled",
}


def run(mode: str, arguments: list[str], tree: str = "") -> int:
    """Run the tests of a mode, on the package in a tree if one is named; Returns: the status."""
    environment = {**os.environ, "VMALAB_TEST_MODE": mode}
    if tree:
        environment["PYTHONPATH"] = tree
    print(f"vmalab: {TOLD[mode]}", file=sys.stderr, flush=True)
    tests = subprocess.Popen([*PYTEST, *arguments], env=environment)
    try:
        return tests.wait()
    except KeyboardInterrupt:
        # It has been interrupted, too, and says how far it is.
        tests.wait()
        raise


def run_beside(arguments: list[str]) -> list[int]:
    """Compile while the tests of what is not compiled run, then run the others.

    Returns: the statuses, up to one that is neither 0 nor that of no tests.
    """
    with tempfile.TemporaryFile() as said:
        compiling = subprocess.Popen(
            ["nice", f"-n{NICE}", *COMPILE],
            stdout=subprocess.DEVNULL,
            stderr=said,
            # To be ended with all that it has started.
            process_group=0,
        )
        try:
            first = run("rest", arguments)
            if first not in (0, NO_TESTS):
                return [first]
            if compiling.poll() is None:
                print("vmalab: waiting for the engine to be compiled", file=sys.stderr, flush=True)
            status = compiling.wait()
        finally:
            if compiling.poll() is None:
                os.killpg(compiling.pid, signal.SIGTERM)
                compiling.wait()
        said.seek(0)
        sys.stderr.write(said.read().decode("utf-8", "replace"))
    return [status] if status else [first, run("compiled", arguments, "build/compiled")]


def outcome(statuses: list[int], chosen: bool) -> int:
    """Return one status for all runs; chosen: somebody did, so that one may have had no tests."""
    failed = [each for each in statuses if each not in (0, NO_TESTS)]
    if failed:
        return failed[0]
    return NO_TESTS if 0 not in statuses or (NO_TESTS in statuses and not chosen) else 0


def main() -> None:
    """Run the tests, and end with a status."""
    arguments = sys.argv[1:]
    try:
        if why_not():
            # It says so.
            subprocess.run(COMPILE, check=False)
            statuses = [run("interpreted", arguments)]
        else:
            statuses = run_beside(arguments)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(outcome(statuses, bool(arguments)))


if __name__ == "__main__":
    main()
