# SPDX-License-Identifier: GPL-2.0-or-later
"""Carries out random streams in the model and prints a digest of the answers and the maps.

usage: python tests/twin/digests.py SEED CALLS

The first line says in which mode the engine ran; then one line for each profile of `vmalab check`.
"""

import hashlib
import sys
from pathlib import Path

from vmalab import COMPILED
from vmalab.check.generator import SHOW_EVERY, Generator
from vmalab.check.profiles import PROFILES
from vmalab.check.twin import Twin
from vmalab.linux.fs.proc.task_mem import mm_status
from vmalab.recording.format.recording import RecordingFiles
from vmalab.targets.real.real import Abilities

# A generated recording: its process began as a worker of a check does.
BEGINNING = Path(__file__).parents[2] / "examples" / "dense-1"
# Calls between two looks at the whole map, which take longer than they do: what differs stays.
LOOK_EVERY = 5
VERSIONS = ("6.1", "6.18", "7.3")


def digest(profile: str, seed: int, calls: int) -> str:
    """What the answers and maps of one stream come to."""
    recording = RecordingFiles(str(BEGINNING))
    image = recording.image(recording.meta.main_image)
    assert image is not None
    first = image.initial()
    assert first is not None
    twin = Twin(recording.meta, VERSIONS[seed % len(VERSIONS)], first)
    reserved = [(line.start, line.end) for line in first]
    abilities = Abilities(True, True, True, True, True, True, True, True, False)
    generator = Generator(profile, seed, abilities, int(twin.mm.start_brk), reserved)
    total = hashlib.sha256()
    for at in range(calls):
        if at % SHOW_EVERY == 0:
            generator.source.show([(vma.vm_start, vma.vm_end) for vma in twin.vmas()])
        call = generator.next()
        result = twin.apply(call)
        generator.source.note(call, result)
        total.update(repr((call.name, call.args, result)).encode())
        if at % LOOK_EVERY == LOOK_EVERY - 1:
            lines = [(line.text, line.flags, line.pkey) for line in twin.lines()]
            total.update(repr((lines, sorted(mm_status(twin.mm).items()))).encode())
    return total.hexdigest()


def main() -> None:
    """Prints the mode and the digests."""
    seed, calls = int(sys.argv[1]), int(sys.argv[2])
    print("compiled" if COMPILED else "interpreted")
    for profile in PROFILES:
        print(profile, digest(profile, seed, calls))


if __name__ == "__main__":
    main()
