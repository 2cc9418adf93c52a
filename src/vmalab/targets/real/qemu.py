# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest of QEMU as a target: any kernel image, with the executor as its only program.

The executor is process 1 of the guest. The line carries requests.
"""

from types import TracebackType
from typing import Final, final

from vmalab.targets.real.build import executor_path
from vmalab.targets.real.executor import SHARED_SIZE, Executor
from vmalab.targets.real.guest import SHARED_AT, Guest
from vmalab.targets.real.initramfs import Packed, initramfs
from vmalab.targets.real.real import RealTarget

# Seconds that an answer may take.
ANSWER: Final = 120.0
WORDS: Final = f"nokaslr memmap={SHARED_SIZE >> 20}M${SHARED_AT:#x} vmalab_memory={SHARED_AT:x}"


@final
class QemuTarget:
    """A context in which a guest runs; entering it boots the guest.

    image: as `Guest` has it.
    Errors on entering: TargetError: no QEMU, no such image, a guest that does not come up.
    """

    def __init__(self, image: str) -> None:
        self.name = image
        self._guest = Guest(image)

    def __enter__(self) -> RealTarget:
        archive = initramfs({"init": Packed(executor_path().read_bytes(), program=True)})
        return self._guest.boot(archive, WORDS, self._greet)

    def _greet(self, patience: float) -> RealTarget:
        """Wait for the guest's executor."""
        line = self._guest.line
        executor = Executor(line.fileno(), line.fileno(), patience, self._guest.shared)
        executor.wait_for_greeting()
        target = RealTarget(f"qemu:{self.name}", executor)
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
