# SPDX-License-Identifier: GPL-2.0-or-later
"""The conformance kit: what it writes, and that both runners find what deviates, only that."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from vmalab.cli.main import vmalab
from vmalab.conformance.export import ExportPlan, export
from vmalab.conformance.streams import stream_of
from vmalab.conformance.window import BASE, END, PROFILES
from vmalab.targets.model.versions import SUPPORTED

STREAMS = 12
RUNNING = ".".join(os.uname().release.split(".")[:2])


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kit for the kernel that runs here, or the newest one that there is a model of."""
    folder = tmp_path_factory.mktemp("kit") / "kit"
    export(str(folder), ExportPlan((here(),), streams=STREAMS))
    return folder


def here() -> str:
    """The version whose kit fits this machine."""
    return RUNNING if RUNNING in SUPPORTED else "6.18"


@pytest.fixture(scope="module")
def c_runner(kit: Path) -> Path:
    """The runner in C, compiled without a warning."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler on this machine")
    made = kit / "runner"
    command = [compiler, "-Wall", "-Wextra", "-Werror", "-o", str(made), str(kit / "runner.c")]
    subprocess.run(command, check=True)
    return made


@pytest.fixture
def runner(request: pytest.FixtureRequest, kit: Path) -> list[str]:
    """The command of a runner."""
    if request.param == "c":
        return [str(request.getfixturevalue("c_runner"))]
    return [sys.executable, "-I", str(kit / "runner.py")]


def streams(kit: Path) -> list[str]:
    """All streams of a kit."""
    return sorted(map(str, kit.glob("*/*.jsonl")))


def run(runner: list[str], *arguments: str) -> tuple[int, str, str]:
    """Run a runner; Returns: status, output, messages."""
    done = subprocess.run([*runner, *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def lines_of(path: str | Path) -> list[Any]:
    """The objects of a stream."""
    return [json.loads(line) for line in Path(path).read_text("ascii").splitlines()]


def test_a_kit_has_streams_of_every_profile_and_both_runners(kit: Path) -> None:
    names = {path.relative_to(kit).as_posix() for path in kit.rglob("*") if path.is_file()}
    wanted = {"README.md", "runner.c", "runner.py", "qiling_target.py"}
    wanted |= {f"{here()}/{name}-{n:03}.jsonl" for name in PROFILES for n in range(STREAMS)}
    assert names - {"runner"} == wanted


def test_every_call_stays_in_the_window_or_fails_by_its_numbers(kit: Path) -> None:
    for path in streams(kit):
        for call in lines_of(path)[1:]:
            for start, end, *_ in call.get("maps", []):
                assert BASE <= start < end <= END


def test_streams_do_what_programs_do(kit: Path) -> None:
    """Most calls succeed, errors of several kinds occur, maps have several VMAs, pages are used."""
    calls = [call for path in streams(kit) for call in lines_of(path)[1:]]
    assert len(calls) >= STREAMS * 40 * len(PROFILES)
    assert sum(call["result"] >= 0 for call in calls) > len(calls) / 2
    assert {-12, -17, -22, -14} <= {call["result"] for call in calls}
    assert max(len(call.get("maps", [])) for call in calls) > 15
    names = {call["call"] for call in calls}
    assert {"touch", "mremap", "madvise", "mlock2", "msync", "memfd_create"} <= names


@pytest.mark.parametrize("runner", ["c", "python"], indirect=True)
@pytest.mark.parametrize("how", ["vmas", "pages", "none"])
@pytest.mark.live
@pytest.mark.skipif(RUNNING not in SUPPORTED, reason="no model of the kernel that runs here")
def test_the_running_kernel_does_not_deviate(kit: Path, runner: list[str], how: str) -> None:
    option = "-m" if runner[-1].endswith("runner") else "--maps"
    found = streams(kit) if how == "vmas" else streams(kit)[::10]
    status, said, complaints = run(runner, option, how, "-v", *found)
    assert (status, said, complaints) == (0, f"{len(found)} streams, 0 deviate\n", "")


def changed(kit: Path, tmp_path: Path, change: Any) -> str:
    """A stream of which one line is changed; Returns: its path."""
    head, *calls = lines_of(next(kit.glob("*/anonymous-000.jsonl")))
    change(head, calls)
    path = tmp_path / "changed.jsonl"
    lines = (json.dumps(line, separators=(",", ":")) + "\n" for line in (head, *calls))
    path.write_text("".join(lines))
    return str(path)


@pytest.mark.parametrize("runner", ["c", "python"], indirect=True)
@pytest.mark.live
def test_another_result_is_a_deviation_at_its_line(
    kit: Path, runner: list[str], tmp_path: Path
) -> None:
    def change(head: Any, calls: list[Any]) -> None:
        place = next(n for n, call in enumerate(calls) if call["result"] == 0)
        calls[place]["result"] = -12
        calls[place]["maps"] = []
        del calls[place + 1 :]

    path = changed(kit, tmp_path, change)
    status, said, _ = run(runner, "-v", path)
    assert status == 1
    assert said.startswith(f"{path}:{len(lines_of(path))}: ")
    assert said.endswith("1 streams, 1 deviate\n")


@pytest.mark.parametrize("runner", ["c", "python"], indirect=True)
@pytest.mark.live
def test_another_map_is_a_deviation_unless_maps_are_not_compared(
    kit: Path, runner: list[str], tmp_path: Path
) -> None:
    def change(head: Any, calls: list[Any]) -> None:
        place = next(n for n, call in enumerate(calls) if call.get("maps"))
        calls[place]["maps"][0][1] += 4096
        del calls[place + 1 :]

    path = changed(kit, tmp_path, change)
    status, said, _ = run(runner, path)
    assert (status, "another map" in said) == (1, True)
    option = "-m" if runner[-1].endswith("runner") else "--maps"
    assert run(runner, option, "none", path)[0] == 0


HOSTILE = {
    "leaves the window": ["munmap", [0x400000, 1 << 46]],
    "leaves the window by a move": ["mremap", [BASE, 4096, 4096, 3, 0x7000_0000_0000]],
    "grows out of the window": ["mremap", [END - 4096, 4096, 1 << 40, 1, 0]],
    "writes elsewhere": ["touch", [0x400000, 4096]],
    "makes another call": ["execve", [BASE, 0, 0]],
}


@pytest.mark.parametrize("runner", ["c", "python"], indirect=True)
@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.live
def test_a_call_that_leaves_the_window_is_not_made(
    kit: Path, runner: list[str], tmp_path: Path, what: str
) -> None:
    def change(head: Any, calls: list[Any]) -> None:
        name, args = HOSTILE[what]
        calls[:] = [{"call": name, "args": args, "result": 0}]

    status, said, complaints = run(runner, changed(kit, tmp_path, change))
    assert status == 2
    assert "is not made" in complaints or "does not make" in complaints
    assert "0 deviate" in said or said == ""


HEAD = json.dumps(
    {"format": "vmalab-conformance", "version": 1, "window": [BASE, END]}, separators=(",", ":")
)
BROKEN = [
    "",
    "{}",
    "[1,2]",
    "not json",
    '{"format":"vmalab-conformance","version":2}',
    "\x00" * 90,
    HEAD + '\n{"call":5,"args":[],"result":0}\n',
    HEAD + '\n{"call":"munmap","args":["here",4096],"result":0}\n',
    HEAD + '\n{"call":"mmap","args":[1,2,3,4,5,6,7],"result":0}\n',
    HEAD + '\n{"call":"mmap","args":' + "[" * 50000 + "\n",
]


@pytest.mark.parametrize("runner", ["c", "python"], indirect=True)
@pytest.mark.parametrize("text", BROKEN, ids=range(len(BROKEN)))
def test_what_is_no_stream_is_an_error(runner: list[str], tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.jsonl"
    path.write_text(text)
    status, _, complaints = run(runner, str(path))
    assert status == 2
    assert str(path) in complaints
    assert "Traceback" not in complaints


def test_a_target_of_ones_own_is_held_to_the_streams(kit: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "class Lazy:\n"
        "    def call(self, name, args):\n"
        "        if name == 'mprotect': raise OSError('no')\n"
        "        return args[0] if name == 'mmap' else 0\n"
        "    def maps(self): return None\n"
    )
    python = [sys.executable, "-I", str(kit / "runner.py"), "--target"]
    paths = [path for path in streams(kit) if "anonymous" in path]
    status, said, complaints = run([*python, f"{tmp_path}/mine.py:Lazy"], *paths)
    assert (status, complaints) == (1, "")
    assert "mprotect: raises OSError, expected " in said
    assert said.endswith(f"{len(paths)} streams, {len(paths)} deviate\n")


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ("mine.py:Absent", "cannot be loaded"),
        ("absent.py:Mine", "cannot be loaded"),
        ("mine.py", "name a class as FILE.py:CLASS"),
        ("mine.py:Unmade", "cannot be made: no (RuntimeError)"),
        ("mine.py:Wordy", "returns no int, but 'yes'"),
    ],
)
def test_a_target_that_is_of_no_use_is_no_deviation(
    kit: Path, tmp_path: Path, named: str, told: str
) -> None:
    (tmp_path / "mine.py").write_text(
        "class Unmade:\n"
        "    def __init__(self): raise RuntimeError('no')\n"
        "class Wordy:\n"
        "    def call(self, name, args): return 'yes'\n"
    )
    python = [sys.executable, "-I", str(kit / "runner.py"), "--target", f"{tmp_path}/{named}"]
    status, said, complaints = run(python, streams(kit)[0])
    assert (status, said) == (2, "")
    assert told in complaints
    assert "Traceback" not in complaints


def differing(profile: str) -> Iterator[int]:
    """The seeds of streams that kernels answer otherwise."""
    for seed in range(20):
        old, new = (list(stream_of(kernel, profile, seed, 40))[1:] for kernel in ("6.1", "7.3"))
        if old != new:
            yield seed


def test_kernels_have_answers_of_their_own() -> None:
    assert list(stream_of("6.18", "anonymous", 3, 9)) == list(stream_of("6.18", "anonymous", 3, 9))
    assert next(differing("mremap"), None) is not None


def test_the_verb_writes_a_kit_for_each_kernel_named(tmp_path: Path) -> None:
    options = ["--kernel", "6.1", "--kernel", "7.3", "--profile", "locks", "--streams", "2"]
    done = CliRunner().invoke(vmalab, ["conformance", "export", *options, str(tmp_path / "kit")])
    assert done.exit_code == 0, done.stderr
    assert done.stdout == f"{tmp_path}/kit: 4 streams of 40 calls, for Linux 6.1, 7.3\n"
    assert len(streams(tmp_path / "kit")) == 4
    assert lines_of(tmp_path / "kit/7.3/locks-001.jsonl")[0]["kernel"] == "7.3"


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    done = CliRunner().invoke(vmalab, ["conformance", "export", str(tmp_path)])
    assert done.exit_code != 0
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
