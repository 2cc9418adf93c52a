# SPDX-License-Identifier: GPL-2.0-or-later
"""Counts instructions of fixed work, and fetches of code: figures of speed without noise.

usage: python tools/instructions.py [--keep]      from the top of the source tree

The work is done by the tree on PYTHONPATH, build/optimised as a rule, under valgrind's callgrind,
twice, the second time with more calls: the difference is what a call costs, without the start.
A fetch is a line of code that is not in a first cache of 32 KiB, as processors have; each may cost
as much as a dozen instructions.
Prints it beside what benchmarks/results/instructions.json keeps. --keep: keep the new counts.
Ends with 1 when a count is larger by more than 2 %, with 2 when it cannot be measured.
"""

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from vmalab.bench.pipeline import region_log

KEPT = Path("benchmarks/results/instructions.json")
# A compiler's whims are smaller.
TOLERATED = 0.02
# The profiles of `vmalab bench` whose calls are counted, in the engine alone.
STREAMS = ("dense", "pages4096", "placement", "mremap", "file", "mlock")
# What is counted, for the first `calls` of `drawn` calls: streams; a log, read and judged.
WORK = {
    **{
        name: "from vmalab.bench.parts import carry_out_stream\n"
        f"carry_out_stream({name!r}, {{calls}}, {{drawn}})"
        for name in STREAMS
    },
    "replay": "from vmalab.recording.format.recording import RecordingFiles\n"
    "from vmalab.replay.replay import Options, Replay\n"
    "report = Replay(RecordingFiles({log!r}), Options()).run()\n"
    "assert report.total.predicted == {calls}\n",
}
FEWER, MORE = 4_000, 12_000
# The same caches on every machine: bytes, ways, bytes of a line.
CACHES = ("--cache-sim=yes", "--I1=32768,8,64", "--D1=32768,8,64", "--LL=8388608,16,64")
FETCHES = re.compile(r"I +refs: +([\d,]+)\n.*I1 +misses: +([\d,]+)\n")


def counted(code: str, folder: str) -> tuple[int, int]:
    """Return the instructions and fetches that Python takes for some code, its start included."""
    valgrind = ["valgrind", "--tool=callgrind", *CACHES, f"--callgrind-out-file={folder}/out"]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        [*valgrind, sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    found = FETCHES.search(done.stderr)
    if done.returncode != 0 or found is None:
        raise SystemExit(f"{done.stderr[-2000:]}\ninstructions: the work failed")
    instructions, fetches = (int(figure.replace(",", "")) for figure in found.groups())
    return instructions, fetches


def written_log(calls: int, folder: Path) -> str:
    """Write a log of so many calls: its path. What writing takes is not counted."""
    path = folder / f"log-{calls}"
    path.write_text("".join(region_log(calls)), "ascii")
    return str(path)


def larger(counts: dict[str, int], kept: dict[str, int]) -> list[str]:
    """Return the names of counts that are larger than the kept ones by more than is tolerated."""
    return [
        name for name, count in counts.items() if count > kept.get(name, count) * (1 + TOLERATED)
    ]


def beside(count: int, before: int | None) -> str:
    """Return a count as text, and what it is of the kept one."""
    return f"{count}" if before is None else f"{count} ({count / before:.3f} of the kept {before})"


def main() -> int:
    """Count, print, compare."""
    try:
        subprocess.run(["valgrind", "--version"], stdout=subprocess.DEVNULL, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"instructions: valgrind is needed: {error}", file=sys.stderr)
        return 2
    kept: dict[str, dict[str, int]] = {"counts": {}, "fetches": {}}
    if KEPT.exists():
        kept = json.loads(KEPT.read_text("utf-8"))
    counts: dict[str, int] = {}
    fetches: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        logs = {calls: written_log(calls, Path(folder)) for calls in (FEWER, MORE)}
        for name, code in WORK.items():
            few, many = (
                counted(code.format(calls=calls, drawn=MORE, log=log), folder)
                for calls, log in logs.items()
            )
            counts[name], fetches[name] = (
                (after - before) // (MORE - FEWER) for before, after in zip(few, many, strict=True)
            )
            print(
                f"{name}: {beside(counts[name], kept['counts'].get(name))} instructions a call, "
                f"{beside(fetches[name], kept['fetches'].get(name))} fetches",
                flush=True,
            )
    if "--keep" in sys.argv:
        made_by = {"python": platform.python_version(), "compiler": platform.python_compiler()}
        KEPT.write_text(
            json.dumps({"counts": counts, "fetches": fetches, **made_by}, indent=2) + "\n", "utf-8"
        )
        return 0
    for name in (slow := larger(counts, kept["counts"])):
        print(f"instructions: {name} takes more than {TOLERATED:.0%} more than the kept count")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
