# SPDX-License-Identifier: GPL-2.0-or-later
"""Compiles the engine, and what drives it call by call, with mypyc as one unit of a wheel.

Man pages and completion come with it. Everything else about the package is in pyproject.toml;
whether to compile, in tools/backend.py; how, in tools/build_ext.py.
"""

import os
import sys
from pathlib import Path

from setuptools import Extension, setup

sys.path.insert(0, "tools")
from backend import say, why_not
from build_ext import BUILD, COMMON_LEVEL, LEVEL, OPTIONS, BuildExt, tell

# What is compiled: folders with all their modules, and single modules. Packages' __init__.py only
# describe their packages; they stay as they are.
UNIT = [
    "calls",
    "check/draw.py",
    "check/moves/anonymous.py",
    "check/moves/edge_arguments.py",
    "check/moves/files.py",
    "check/moves/other_calls.py",
    "check/moves/stacks.py",
    "check/profiles.py",
    "check/streams.py",
    "check/trial.py",
    "check/twin.py",
    "explain/blame/origin_map.py",
    "explain/blame/origins.py",
    "explain/blame/watcher.py",
    "explain/enomem/failed_calls.py",
    "explain/enomem/headroom.py",
    "explain/enomem/recent_past.py",
    "explain/history/areas.py",
    "explain/history/density.py",
    "explain/history/history.py",
    "explain/history/looks.py",
    "explain/history/pieces.py",
    "explain/history/series.py",
    "explain/history/spots.py",
    "explain/travel/watcher.py",
    "explain/whatif/address_map.py",
    "explain/whatif/carry_calls.py",
    "explain/whatif/carry_faults.py",
    "explain/whatif/carry_results.py",
    "explain/whatif/changes.py",
    "explain/whatif/comparison.py",
    "explain/whatif/doubts.py",
    "explain/whatif/guard_regions.py",
    "explain/whatif/same_map.py",
    "explain/whatif/second_machine.py",
    "explain/whatif/second_space.py",
    "explain/why/barriers.py",
    "explain/why/cost.py",
    "explain/why/moment.py",
    "explain/why/peak_keeper.py",
    "explain/why/peak_picture.py",
    "linux",
    "recording/format/faults.py",
    "recording/format/steps.py",
    "recording/readers/architecture.py",
    "recording/readers/arguments.py",
    "recording/readers/callline.py",
    "recording/readers/characters.py",
    "recording/readers/clock.py",
    "recording/readers/column_calls.py",
    "recording/readers/column_events.py",
    "recording/readers/events.py",
    "recording/readers/flagged_lines.py",
    "recording/readers/known_parts.py",
    "recording/readers/known_words.py",
    "recording/readers/maps.py",
    "recording/readers/packed_column.py",
    "recording/readers/scanner.py",
    "recording/readers/strace.py",
    "recording/readers/threads.py",
    "recording/readers/unfinished.py",
    "recording/readers/usual_line.py",
    "recording/readers/usual_range.py",
    "replay/attempt.py",
    "replay/compare.py",
    "replay/differences.py",
    "replay/fault_history.py",
    "replay/judge.py",
    "replay/lasting_ranges.py",
    "replay/map_steps.py",
    "replay/memory_calls.py",
    "replay/never_written.py",
    "replay/observer.py",
    "replay/process_image.py",
    "replay/races.py",
    "replay/recorded_faults.py",
    "replay/recorded_map.py",
    "replay/replay.py",
    "replay/report.py",
    "replay/rights.py",
    "replay/snapshots.py",
    "replay/story.py",
    "replay/timeline.py",
    "replay/unknown_files.py",
    "replay/unread_pointers.py",
    "replay/unseen_tasks.py",
    "replay/usual_calls.py",
    "replay/usual_steps.py",
    "targets/listener.py",
    "targets/model/capture.py",
    "targets/model/compat_calls.py",
    "targets/model/descriptors.py",
    "targets/model/file_systems.py",
    "targets/model/identity.py",
    "targets/model/model.py",
    "targets/model/unrecorded.py",
    "targets/model/vmflags.py",
    "targets/real/wire.py",
]
# What is data only: compiled modules have the numbers in their code, and nothing would be faster.
DATA = ("linux/include/differences", "linux/include/uapi")


def modules() -> list[str]:
    """The files to compile, as paths from here, in a fixed order."""
    found: list[Path] = []
    for name in UNIT:
        path = Path("src/vmalab", name)
        found += path.rglob("*.py") if path.is_dir() else [path]
    data = [Path("src/vmalab", name) for name in DATA]
    return sorted(
        str(path)
        for path in found
        if path.name != "__init__.py" and not any(path.is_relative_to(folder) for folder in data)
    )


def extensions() -> list[Extension]:
    """The extension modules to build; none, and a line that says why, where that cannot be."""
    if not {"build", "build_ext", "bdist_wheel", "install"} & set(sys.argv):
        return []
    reason = why_not()
    if not reason:
        try:
            from mypyc.build import mypycify
        except ImportError:
            reason = "mypyc is not installed here"
    if reason:
        say(f"installing the engine as plain Python: {reason}")
        return []
    tell(f"making C of {len(modules())} modules")
    found = mypycify(
        [f"--cache-dir={BUILD}/cache", *modules()],
        group_name="vmalab",
        multi_file=True,
        opt_level=LEVEL or COMMON_LEVEL,
        debug_level="1" if os.environ.get("VMALAB_DEBUG") else "0",
        target_dir=BUILD,
    )
    for extension in found:
        extension.extra_compile_args = [*extension.extra_compile_args, *OPTIONS]
    return list(found)


def installed_files() -> list[tuple[str, list[str]]]:
    """Man pages and what shells complete by, with the folder that each is installed to."""
    if "bdist_wheel" not in sys.argv:
        return []
    sys.path.insert(0, "src")
    try:
        from manpages import write_all

        found = write_all(Path("build/share"))
    except ImportError as error:
        say(f"installing no man pages: {error}")
        return []
    finally:
        sys.path.remove("src")
    return [(f"share/{folder}", files) for folder, files in found.items()]


setup(ext_modules=extensions(), data_files=installed_files(), cmdclass={"build_ext": BuildExt})
