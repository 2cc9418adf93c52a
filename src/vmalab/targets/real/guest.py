# SPDX-License-Identifier: GPL-2.0-or-later
"""Boots a kernel image in QEMU, with an archive as its only file system and a line to talk over.

No disk and no network. The first serial line is the kernel's console, whose last words are shown
when a guest dies; the second one is the line. KVM is used where it works.
"""

import mmap
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar, final

from vmalab.parent import end_with_parent
from vmalab.targets.real.executor import SHARED_SIZE
from vmalab.targets.real.images import find_image
from vmalab.targets.real.kvm import may_use_kvm, note_failure
from vmalab.targets.real.target_errors import TargetError
from vmalab.targets.real.temporary_folder import OwnFolder

PROGRAM: Final = "qemu-system-x86_64"
# Seconds until a guest must have said something.
BOOT: Final = 120.0
BOOT_KVM: Final = 20.0
MEMORY: Final = 640 << 20
# Where guest and host share memory: physical, told to the kernel as not being its own.
SHARED_AT: Final = 600 << 20
# Memory of the second NUMA node, where there is one.
SECOND_NODE: Final = 64 << 20
# Four levels of page tables, as the model has them.
CPU: Final = "la57=off"
# What may follow an image's name, each behind a `+`: two NUMA nodes, protection keys.
NUMA: Final = "numa"
PKEYS: Final = "pkeys"
# What each guest's kernel is told. Mitigations cost time and decide nothing here; on a busy machine
# its check of the timer fails.
COMMAND_LINE: Final = (
    "console=ttyS0,115200 quiet loglevel=4 panic=-1 oops=panic mitigations=off "
    "no_timer_check tsc=reliable random.trust_cpu=on cgroup_disable=memory audit=0 "
    "transparent_hugepage=madvise "
)

# Bytes of a console that are looked at for its last words.
_SAID: Final = 8000
_PANIC: Final = "Kernel panic"

T = TypeVar("T")


def _memory_folder() -> str:
    """Return where the guest's memory is kept: in memory, if there is such a place."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()


@final
class Guest:
    """One guest, booted by `boot` and ended by `close`.

    image: a bzImage or vmlinuz, or the series of one in the cache ("6.12"), perhaps with what the
    machine is to have besides ("6.12+numa+pkeys"). line: to the guest, once it runs. shared:
    memory that both sides see, if the command line leaves it out of the kernel's.
    """

    def __init__(self, image: str) -> None:
        self._extras: set[str] = set()
        base, _, extra = image.rpartition("+")
        while base and extra in (NUMA, PKEYS):
            self._extras.add(extra)
            image = base
            base, _, extra = image.rpartition("+")
        self.image = image
        self._own: OwnFolder | None = None
        self._folder = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self.shared: mmap.mmap | None = None

    @property
    def line(self) -> socket.socket:
        """The guest's second serial line. Preconditions: it was booted."""
        assert self._line is not None
        return self._line

    def boot(self, archive: bytes, words: str, greet: Callable[[float], T]) -> T:
        """Start the guest and return what `greet` does, which waits for its first word.

        archive: its file system. words: for its kernel, besides those of each guest. greet: gets
        the seconds that it may wait; it may be called twice, for KVM may not work.
        Errors: TargetError: no QEMU, no such image, a guest that does not come up.
        """
        qemu = shutil.which(PROGRAM)
        if qemu is None:
            raise TargetError(f"{PROGRAM} is not installed (Debian: the package qemu-system-x86)")
        self.image = find_image(self.image)
        try:
            self._own = OwnFolder(_memory_folder(), "guest")
        except OSError as error:
            raise TargetError(f"{_memory_folder()}: {error.strerror}") from None
        self._folder = self._own.path
        try:
            (Path(self._folder) / "initramfs").write_bytes(archive)
            if may_use_kvm():
                try:
                    return self._start(qemu, words, True, greet)
                except TargetError:
                    # A machine may have the device and yet not be able to run a guest with it.
                    note_failure(self._raw("stderr"))
                    self._stop()
            return self._start(qemu, words, False, greet)
        except BaseException:
            self.close()
            raise

    def _start(self, qemu: str, words: str, kvm: bool, greet: Callable[[float], T]) -> T:
        keys = "on" if PKEYS in self._extras else "off"
        machine = ["-accel", "kvm" if kvm else "tcg"]
        machine += ["-cpu", f"{'host' if kvm else 'max'},{CPU},pku={keys}", "-smp", "1"]
        machine += self._memory()
        listener = socket.socket(socket.AF_UNIX)
        with listener:
            place = os.path.join(self._folder, "line")
            if os.path.exists(place):
                os.unlink(place)
            listener.bind(place)
            listener.listen(1)
            listener.settimeout(20.0)
            self.shared = self._share()
            with open(os.path.join(self._folder, "stderr"), "wb") as errors:
                self._process = subprocess.Popen(
                    [
                        qemu,
                        *machine,
                        *("-kernel", self.image, "-initrd", f"{self._folder}/initramfs"),
                        *("-append", COMMAND_LINE + words),
                        *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
                        *("-serial", f"file:{self._folder}/console"),
                        *("-serial", f"unix:{place}"),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=errors,
                    stderr=errors,
                    preexec_fn=end_with_parent,
                )
            try:
                self._line = listener.accept()[0]
            except TimeoutError:
                raise TargetError(f"QEMU did not start: {self._said('stderr')}") from None
        try:
            greeted = greet(BOOT_KVM if kvm else BOOT)
        except TargetError as error:
            raise TargetError(
                f"{self.image}: the guest did not come up: {error}: {self.last_words()}"
            ) from None
        # Both sides have it open: nothing large stays behind, however this process may end.
        os.unlink(os.path.join(self._folder, "ram"))
        return greeted

    def _memory(self) -> list[str]:
        """Return the arguments for the guest's memory, the first node's being a file."""
        ram = f"memory-backend-file,id=ram,share=on,size={MEMORY},mem-path={self._folder}/ram"
        if NUMA not in self._extras:
            machine = ["-machine", "q35,memory-backend=ram"]
            return ["-m", f"{MEMORY >> 20}M", "-object", ram, *machine]
        second = f"memory-backend-ram,id=second,size={SECOND_NODE}"
        nodes = ["-numa", "node,memdev=ram,cpus=0", "-numa", "node,memdev=second"]
        total = ["-machine", "q35", "-m", f"{(MEMORY + SECOND_NODE) >> 20}M"]
        return [*total, "-object", ram, "-object", second, *nodes]

    def _share(self) -> mmap.mmap:
        """Return the part of the guest's memory that is shared, as this side sees it."""
        with open(os.path.join(self._folder, "ram"), "w+b") as file:
            file.truncate(MEMORY)
            return mmap.mmap(file.fileno(), SHARED_SIZE, offset=SHARED_AT)

    def last_words(self) -> str:
        """Return the last words of the guest's console, or of QEMU."""
        return self._said("console") or self._said("stderr")

    def _said(self, name: str) -> str:
        """Return the last words of QEMU or of the guest's console."""
        lines = [line.strip() for line in self._raw(name).splitlines() if line.strip()]
        # What a kernel says of its own end is long, and what came before tells more.
        panic = next((at for at, line in enumerate(lines) if _PANIC in line), None)
        return " / ".join(lines[-4:] if panic is None else lines[: panic + 1][-4:])[-400:]

    def _raw(self, name: str) -> str:
        """Return the end of what QEMU or the guest's console said, "" where that is nothing."""
        try:
            return Path(self._folder, name).read_bytes()[-_SAID:].decode("utf-8", "replace")
        except OSError:
            return ""

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._line is not None:
            self._line.close()
            self._line = None
        if self.shared is not None:
            self.shared.close()
            self.shared = None

    def close(self) -> None:
        """End the guest and remove what it needed."""
        self._stop()
        if self._own is not None:
            self._own.close()
            self._own = None
