# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest of QEMU as a target: any kernel image, with the executor as its only program.

The executor is process 1 of the guest, or what records programs is and becomes the executor. The
line carries requests.
"""

from functools import cache
from types import TracebackType
from typing import Final, final

from vmalab.targets.real.build import executor_path
from vmalab.targets.real.executor import SHARED_SIZE, Executor
from vmalab.targets.real.guest import BOOT, SHARED_AT, Guest
from vmalab.targets.real.initramfs import Packed, initramfs
from vmalab.targets.real.programs.chosen import chosen_programs
from vmalab.targets.real.programs.recorded import guest_files, record_at_boot
from vmalab.targets.real.real import RealTarget
from vmalab.targets.real.target_errors import TargetError

# Seconds that an answer may take.
ANSWER: Final = 120.0
WORDS: Final = f"nokaslr memmap={SHARED_SIZE >> 20}M${SHARED_AT:#x} vmalab_memory={SHARED_AT:x}"


@final
class QemuTarget:
    """A context in which a guest runs; entering it boots the guest.

    image: as `Guest` has it. recordings: a folder where programs are recorded first; "" for none.
    Errors on entering: TargetError: no QEMU, no such image, a guest that does not come up, a
    program that cannot be recorded.
    """

    def __init__(self, image: str, recordings: str = "") -> None:
        self.name = image
        self._recordings = recordings
        self._guest = Guest(image)

    def __enter__(self) -> RealTarget:
        if not self._recordings:
            archive = initramfs({"init": Packed(executor_path().read_bytes(), program=True)})
            return self._guest.boot(archive, WORDS, self._greet)
        try:
            self._record(self._recordings)
            return self._greet(BOOT, goes_on=True)
        except BaseException:
            self.close()
            raise

    def _record(self, folder: str) -> None:
        """Boot, and record the programs. Errors: TargetError."""
        for name, why in record_at_boot(self._guest, recorder_archive(), WORDS, folder):
            if why:
                raise TargetError(f"{name} cannot be recorded: {why}")

    def _greet(self, patience: float, *, goes_on: bool = False) -> RealTarget:
        """Wait for the guest's executor. goes_on: the recorder is to become it now."""
        line = self._guest.line
        executor = Executor(line.fileno(), line.fileno(), patience, self._guest.shared)
        if goes_on:
            line.send(b"\n")
        executor.wait_for_greeting()
        target = RealTarget(f"qemu:{self.name}", executor, last_words=self._guest.last_words)
        executor.set_timeout(ANSWER)
        return target

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the guest and remove what it needed."""
        self._guest.close()


@cache
def recorder_archive() -> bytes:
    """Return what a guest gets that records programs first. Errors: TargetError."""
    return guest_files(*chosen_programs(), executor_path().read_bytes())
