# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes a fleet of recordings out of a few: other names of services, hosts, limits.

    python tools/make_fleet.py FOLDER [--count N] [--seed S] [--from DIR]...

Each is a real recording whose machine has another vm.max_map_count, above what it used, so that it
replays as before; one that reached its limit keeps it. Logs and maps are hard links where that can
be done: a fleet of thousands takes few megabytes. Every fourth log is kept as columns.
"""

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from vmalab.explain.why.peak_keeper import PeakKeeper
from vmalab.recording.format.copy_without_log import copy_all_but_log
from vmalab.recording.opening import open_recording
from vmalab.recording.readers.columns import write_columns
from vmalab.recording.search import recordings_in
from vmalab.replay.replay import Options, Replay

SERVICES: Final = 40
# Bytes of a log that is taken: a fleet is of many small recordings here.
MOST_LOG: Final = 256 << 10
MAX_MAP_COUNTS: Final = (65_530, 65_530, 262_144, 1_048_576)
# How much of vm.max_map_count a recording uses that comes near it: parts.
NEAR: Final = (0.82, 0.91, 0.97)
# VMAs that a call may need beyond what there are before it and after it.
WITHIN_A_CALL: Final = 8


@dataclass(frozen=True)
class Base:
    """A recording that others are made of. columns: its copy with a log of columns."""

    path: Path
    columns: Path
    meta: dict[str, Any]
    peak: int


def base_of(path: str, folder: Path) -> Base | None:
    """Return a recording with what is known of it; None for one that is of no use here."""
    recording = open_recording(path)
    if not recording.has_meta or os.path.getsize(recording.log_path) > MOST_LOG:
        return None
    keeper = PeakKeeper(None, pictures=False)
    report = Replay(recording, Options(observers=(keeper,))).run()
    _, peak = keeper.chosen()
    if not report.identical or not report.total.memory_calls or peak is None:
        return None
    columns = folder / f"{len(list(folder.iterdir()))}"
    columns.mkdir()
    copy_all_but_log(recording, str(columns))
    write_columns(recording.log(), str(columns / "calls.parquet"))
    assert recording.meta_path is not None
    meta = json.loads(Path(recording.meta_path).read_text("utf-8"))
    return Base(Path(path), columns, meta, peak.most)


def make_one(base: Base, place: Path, number: int, chance: random.Random) -> None:
    """Write one recording of the fleet."""
    service = f"service-{chance.randrange(SERVICES):02d}"
    source = base.columns if number % 4 == 3 else base.path
    folder = place / service / f"host-{number:05d}"
    for path in sorted(source.rglob("*")):
        there = folder / path.relative_to(source)
        if path.is_file() and path.name != "meta.json":
            there.parent.mkdir(parents=True, exist_ok=True)
            link(path, there)
    meta = json.loads(json.dumps(base.meta))
    meta["command"] = [f"/opt/{service}/bin/{service}"]
    limit = chance.choice(MAX_MAP_COUNTS)
    if chance.random() < 0.05:
        limit = int(base.peak / chance.choice(NEAR)) + 1
    least = base.peak + WITHIN_A_CALL
    settings = meta.setdefault("sysctl", {})
    if settings.get("vm.max_map_count", least + 1) > least:
        settings["vm.max_map_count"] = max(limit, least)
    (folder / "meta.json").write_text(json.dumps(meta))


def link(path: Path, there: Path) -> None:
    """Make a file the same as another one, without copying it where that can be done."""
    with suppress(OSError):
        os.link(path, there)
        return
    shutil.copyfile(path, there)


def bases_in(folders: Sequence[str], work: Path) -> list[Base]:
    """Return the recordings of some folders that a fleet can be made of."""
    found = (base_of(path, work) for folder in folders for path in recordings_in(folder))
    return [base for base in found if base is not None]


def make_fleet(place: Path, count: int, seed: int, folders: Sequence[str]) -> int:
    """Write a fleet; how many recordings it was made of."""
    place.mkdir(parents=True)
    chance = random.Random(seed)
    # Beside the fleet, so that its files can be linked.
    with tempfile.TemporaryDirectory(dir=place.parent) as work:
        bases = bases_in(folders, Path(work))
        if not bases:
            raise SystemExit("make_fleet: no recording is small enough, and replays as it was")
        for number in range(count):
            make_one(chance.choice(bases), place, number, chance)
    return len(bases)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--from", dest="folders", action="append", metavar="DIR")
    asked = parser.parse_args()
    folders = asked.folders or [str(Path(__file__).parent.parent / "examples")]
    bases = make_fleet(asked.folder, asked.count, asked.seed, folders)
    sys.stdout.write(f"{asked.count} recordings made of {bases}\n")


if __name__ == "__main__":
    main()
