# SPDX-License-Identifier: GPL-2.0-or-later
"""`top PID`: what is shown of one process; and a real one, watched by the kernel's events."""

import asyncio
import shutil
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.record.conftest import watchable
from tests.small_recordings import FIRST, Make, anonymous
from tests.tui.driving import shown, until
from textual.pilot import Pilot

from vmalab.explain.live.watching import LiveFailure, LiveSite, LiveState
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay
from vmalab.tui.top.attached import Attached
from vmalab.tui.top.live import LiveTop

__all__ = ("watchable",)

STATE = LiveState(
    "7.0",
    1,
    300,
    4000,
    1234.0,
    0.0,
    0,
    0,
    0,
    (
        LiveSite("mprotect(PROT_READ)", 200, 199, 819_200, 5.0),
        LiveSite("mmap(PROT_NONE)", 100, 3, 1 << 30, 70.0),
    ),
    (("flags wr ac", 199, 199),),
    (LiveFailure(0.0, "mprotect(0x1\x1b[31m)", "EINVAL", "argument (addr): not a multiple"),),
)


class FakeAttached:
    """What `Attached` is to the program."""

    def __init__(self) -> None:
        self.pid = 7
        self.state: LiveState | None = STATE
        self.said = ""
        self.over = False
        self.why = ""
        self.saved: list[str] = []

    def save(self, target: str) -> bool:
        self.saved.append(target)
        self.said = f"saved: {target}"
        return not self.over


Play = Callable[[LiveTop, FakeAttached, Pilot[None]], Awaitable[None]]


def watch(play: Play, watched: FakeAttached | None = None) -> None:
    attached: Any = watched or FakeAttached()

    async def run() -> None:
        app = LiveTop(attached, "process 7 (x)")
        async with app.run_test(size=(200, 30)) as pilot:
            await until(pilot, lambda: "mprotect(PROT_READ)" in shown(app))
            await play(app, attached, pilot)

    asyncio.run(run())


def test_it_shows_who_holds_vmas_what_keeps_them_apart_and_what_fails() -> None:
    async def play(app: LiveTop, attached: FakeAttached, pilot: Pilot[None]) -> None:
        screen = shown(app)
        assert "300 VMAs" in screen
        assert "1234 a second" in screen
        assert "flags wr ac" in screen
        assert "EINVAL argument (addr): not a multiple: mprotect(0x1\\x1b[31m)" in screen
        assert "\x1b" not in screen

    watch(play)


def test_sites_are_sorted_as_the_keys_say() -> None:
    async def play(app: LiveTop, attached: FakeAttached, pilot: Pilot[None]) -> None:
        await pilot.press("g")
        await until(pilot, lambda: "mmap" in shown(app).split("\n")[2])
        await pilot.press("b")
        await until(pilot, lambda: "mprotect" in shown(app).split("\n")[2])

    watch(play)


def test_frozen_it_shows_nothing_new_and_says_when_all_is_over() -> None:
    async def play(app: LiveTop, attached: FakeAttached, pilot: Pilot[None]) -> None:
        await pilot.press("space")
        attached.state = LiveState("7.0", 1, 999, 1, 0.0, 9.0, 5, 1, 0, waiting=1 << 21)
        await pilot.pause(0.5)
        assert "300 VMAs" in shown(app)
        await pilot.press("space")
        await until(pilot, lambda: "999 VMAs" in shown(app))
        for text in (
            "9.0 s behind, and falling back, 2 MiB of events wait",
            "5 events lost",
            "1 calls differ",
        ):
            assert text in shown(app)
        attached.state = LiveState("7.0", 1, 999, 1, 0.0, 8.0, 5, 1, 0)
        await until(pilot, lambda: "8.0 s behind, catching up" in shown(app))
        attached.over = True
        await until(pilot, lambda: "the process has ended" in shown(app))

    watch(play)


def test_a_recording_is_saved() -> None:
    async def play(app: LiveTop, attached: FakeAttached, pilot: Pilot[None]) -> None:
        await pilot.press("s")
        await until(pilot, lambda: "saved: vmalab-7-" in shown(app))

    watch(play)


def test_a_page_is_written_of_what_is_recorded_so_far(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    log = "50 mprotect(0x7f0000200000, 4096, PROT_READ) = 0\n"
    first = [*FIRST, anonymous(0x7F0000200000, 0x7F0000204000)]
    events = {"events": [{"after_line": 0, "event": "attach", "pid": 50, "image": "50.1"}]}
    recording = make(log, None, None, events, first)

    class Recorded(FakeAttached):
        """Saves a recording that is there."""

        def save(self, target: str) -> bool:
            shutil.copytree(recording, target)
            return super().save(target)

    async def play(app: LiveTop, attached: FakeAttached, pilot: Pilot[None]) -> None:
        await pilot.press("h")
        await until(pilot, lambda: "written: vmalab-7-" in shown(app))
        (page,) = tmp_path.glob("vmalab-7-*.html")
        text = page.read_text()
        assert "<html" in text
        assert "mprotect(PROT_READ)" in text

    watch(play, Recorded())


BUSY = """
import mmap, sys
area = mmap.mmap(-1, 64 * mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
print(flush=True)
for line in sys.stdin:
    for _ in range(40):
        area.madvise(mmap.MADV_NOHUGEPAGE, 0, 8 * mmap.PAGESIZE)
        area.madvise(mmap.MADV_HUGEPAGE, 0, 8 * mmap.PAGESIZE)
    try:
        mmap.mmap(-1, 1 << 60)
    except OSError:
        pass
    print(open("/proc/self/status").read().split("TracerPid:")[1].split()[0], flush=True)
"""


@pytest.fixture
def busy(watchable: None) -> Iterator[subprocess.Popen[str]]:
    """A program that makes calls for each line that it gets, and says who traces it."""
    with subprocess.Popen(
        [sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        yield child
        child.kill()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_placed(state: LiveState) -> bool:
    """Whether a call is told of with its place in the module that made it."""
    return any(site.cause.startswith(("mmap.", "python")) for site in state.sites)


@pytest.mark.slow
def test_a_process_is_watched_as_it_runs(busy: subprocess.Popen[str], tmp_path: Path) -> None:
    assert busy.stdin is not None
    assert busy.stdout is not None
    attached = Attached(busy.pid)
    try:
        attached.await_beginning(lambda: None)
        assert attached.why == ""
        tracers = []
        for _ in range(3):
            print(file=busy.stdin, flush=True)
            tracers.append(busy.stdout.readline().strip())
        wait_for(lambda: attached.state is not None and attached.state.calls >= 240)
        state = attached.state
        assert state is not None
        assert (state.lost, state.differ, state.adopted) == (0, 0, 0)
        wait_for(lambda: attached.state is not None and len(attached.state.failures) == 3)
        assert attached.state is not None
        assert attached.state.failures[0].errno == "ENOMEM"
        # By its stack, whose places are named as it runs.
        wait_for(lambda: attached.state is not None and is_placed(attached.state))
        # Nobody traces it.
        assert tracers == ["0", "0", "0"]
        saved = tmp_path / "saved"
        assert attached.save(str(saved))
        wait_for(lambda: attached.said != "")
        report = Replay(RecordingFiles(str(saved)), Options()).run()
        assert report.total.differ == report.total.adopted == 0
        assert report.total.predicted == report.total.memory_calls >= 243
        busy.stdin.close()
        assert busy.wait(60) == 0
        wait_for(lambda: attached.over)
        assert attached.why == ""
    finally:
        attached.close()


@pytest.mark.slow
def test_what_is_no_process_cannot_be_watched() -> None:
    attached = Attached(4194304)
    try:
        attached.await_beginning(lambda: None)
        assert attached.state is None
        assert attached.why
    finally:
        attached.close()
