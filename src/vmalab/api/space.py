# SPDX-License-Identifier: GPL-2.0-or-later
"""An address space of the model, to be called as a process calls the kernel.

Addresses and lengths are bytes; flags are numbers (those of Python's `mmap` module are the
kernel's) or names. A call that the kernel would refuse raises `CallRefused`, which is an OSError.
"""

from typing import TYPE_CHECKING, Final, final, overload

from vmalab.api import numbers
from vmalab.api.maps import Maps
from vmalab.api.numbers import Flags, number, protection
from vmalab.api.refused import CallRefused, refusal
from vmalab.calls.call import Call
from vmalab.calls.format import format_call
from vmalab.calls.snapshot import VmaLine
from vmalab.explain.enomem.headroom import quantities
from vmalab.explain.enomem.limit_checks import size_text
from vmalab.explain.why.boundaries import Why, explain, layout_of_mm
from vmalab.explain.why.place import Place, place_of_mm
from vmalab.linux.include.page import PAGE_SIZE
from vmalab.linux.include.uapi.errno import EFAULT, ENOSYS, ESRCH
from vmalab.linux.include.uapi.fcntl import O_CREAT, O_RDWR
from vmalab.linux.include.uapi.mman import MAP_ANONYMOUS, MAP_PRIVATE
from vmalab.linux.mm.usercopy import user_range_ok
from vmalab.linux.types.mm_types import Mm

if TYPE_CHECKING:
    from vmalab.api.machine import Machine

_MAX_ERRNO: Final = 4095
_SIZES: Final = ("total", "data", "locked", "stack", "charged")
_EXITED: Final = "the process has exited"


@final
class AddressSpace:
    """The address space of one process. machine: where it runs; pid: its number there.

    Made by itself it is the only process of a machine of its own; see `Machine` for `kernel`
    and `like`. Addresses, lengths and offsets are bytes, ranges half-open. Errors: as for
    `Machine`; of all methods CallRefused with ESRCH when the process has exited, and TypeError or
    ValueError that names an argument of the wrong kind.
    """

    __slots__ = ("_target", "machine", "pid")

    def __init__(
        self,
        kernel: str | None = None,
        like: "int | str | Maps | None" = None,
        *,
        machine: "Machine | None" = None,
    ) -> None:
        if machine is None:
            from vmalab.api.machine import Machine

            machine = Machine(kernel, like)
            self.pid = machine.take_pid()
        elif kernel is not None or like is not None:
            raise TypeError("kernel and like belong to the machine, which is given")
        else:
            self.pid = machine.take_pid()
        self.machine = machine
        self._target = machine.target

    # Looking.

    @property
    def vmas(self) -> Maps:
        """The VMAs as they are now, lowest first."""
        return Maps(self._target.lines(self._mm()))

    def maps(self) -> str:
        """Return the text of /proc/PID/maps, the end of its last line included."""
        return "".join(f"{line.text}\n" for line in self.vmas)

    def at(self, address: int) -> VmaLine | None:
        """Return the VMA that holds an address, None when nothing is mapped there."""
        return self.vmas.at(number("address", address))

    @overload
    def why(self) -> Why: ...

    @overload
    def why(self, address: int) -> Place: ...

    def why(self, address: int | None = None) -> Why | Place:
        """Return what keeps neighbouring VMAs apart; with an address, what meets what there."""
        mm = self._mm()
        if address is None:
            return explain(layout_of_mm(mm))
        return place_of_mm(mm, number("address", address))

    @property
    def counters(self) -> dict[str, int]:
        """Counts: VMAs, and bytes mapped, of data, locked, of the stack, and charged."""
        vmas, *pages = quantities(self._mm())
        sizes = [count * PAGE_SIZE for count in pages]
        return {"vmas": vmas, **dict(zip(_SIZES, sizes, strict=True))}

    def __len__(self) -> int:
        return int(self._mm().map_count)

    def __str__(self) -> str:
        return str(self.vmas)

    def __repr__(self) -> str:
        mm = self._target.mm(self.pid)
        what = (
            _EXITED if mm is None else f"{mm.map_count} VMAs, {size_text(mm.total_vm * PAGE_SIZE)}"
        )
        return f"<AddressSpace {self.pid} on Linux {self.machine.kernel}: {what}>"

    def _repr_html_(self) -> str:
        return self.vmas._repr_html_()

    # Calls.

    def call(self, name: str, *args: int, mem: dict[int, object] | None = None) -> int:
        """Make any system call that the model has, by its name.

        args: up to six numbers. mem: what pointers among them point to, by the argument's index:
        a str, a dict for a structure, a list for an array.
        Errors: CallRefused; ENOSYS for a call that the model does not have, ESRCH when the process
        has exited. TypeError, ValueError: an argument is no 64-bit number, or there are too many.
        """
        numbers.text("name", name)
        if len(args) > 6:
            raise ValueError(f"{name}: a system call has six arguments at most, not {len(args)}")
        registers = tuple(number(f"argument {at}", arg) for at, arg in enumerate(args))
        return self._make(name, (*registers, 0, 0, 0, 0, 0, 0)[:6], mem)

    def mmap(
        self,
        addr: int,
        length: int,
        prot: Flags = "rw",
        flags: Flags = MAP_PRIVATE | MAP_ANONYMOUS,
        fd: int = -1,
        offset: int = 0,
    ) -> int:
        """Map memory: the address. See mmap(2).

        addr: 0 lets the kernel choose. prot: a number, "rw", "r-x", "PROT_READ|PROT_WRITE".
        flags: a number, or "MAP_SHARED|MAP_FIXED". offset: bytes into the file.
        Errors: CallRefused with EINVAL (no length, unaligned offset), ENOMEM (too many VMAs, a
        limit, no room), EACCES, EBADF, EEXIST (MAP_FIXED_NOREPLACE), ENODEV, EPERM.
        """
        return self._make(
            "mmap",
            (
                number("addr", addr),
                number("length", length),
                protection(prot),
                numbers.flags("flags", flags, "MAP_"),
                number("fd", fd),
                number("offset", offset),
            ),
        )

    def munmap(self, addr: int, length: int) -> None:
        """Unmap `[addr, addr + length)`. Errors: EINVAL, ENOMEM (a split beyond the most VMAs)."""
        self._make("munmap", (number("addr", addr), number("length", length), 0, 0, 0, 0))

    def mprotect(self, addr: int, length: int, prot: Flags) -> None:
        """Change the protection of a range. Errors: EINVAL, ENOMEM (a hole, a limit), EACCES."""
        place = (number("addr", addr), number("length", length))
        self._make("mprotect", (*place, protection(prot), 0, 0, 0))

    def mremap(
        self, addr: int, old_length: int, new_length: int, flags: Flags = 0, new_addr: int = 0
    ) -> int:
        """Resize or move a mapping: its address. See mremap(2).

        Errors: EINVAL, EFAULT (nothing there), ENOMEM (no room, a limit), EAGAIN (locked memory).
        """
        return self._make(
            "mremap",
            (
                number("addr", addr),
                number("old_length", old_length),
                number("new_length", new_length),
                numbers.flags("flags", flags, "MREMAP_"),
                number("new_addr", new_addr),
                0,
            ),
        )

    def madvise(self, addr: int, length: int, advice: Flags) -> None:
        """Advise on a range: "DONTFORK", "MADV_NOHUGEPAGE". Errors: EINVAL, ENOMEM, EPERM."""
        place = (number("addr", addr), number("length", length))
        self._make("madvise", (*place, numbers.flags("advice", advice, "MADV_"), 0, 0, 0))

    def mlock(self, addr: int, length: int) -> None:
        """Lock a range. Errors: ENOMEM (a hole, RLIMIT_MEMLOCK), EPERM, EAGAIN."""
        self._make("mlock", (number("addr", addr), number("length", length), 0, 0, 0, 0))

    def munlock(self, addr: int, length: int) -> None:
        """Unlock a range. Errors: ENOMEM (a hole), EINVAL."""
        self._make("munlock", (number("addr", addr), number("length", length), 0, 0, 0, 0))

    def mlockall(self, flags: Flags = "CURRENT") -> None:
        """Lock all that is mapped, or will be: "CURRENT|FUTURE|ONFAULT".

        Errors: EINVAL, ENOMEM (RLIMIT_MEMLOCK), EPERM.
        """
        self._make("mlockall", (numbers.flags("flags", flags, "MCL_"), 0, 0, 0, 0, 0))

    def munlockall(self) -> None:
        """Unlock everything."""
        self._make("munlockall", (0, 0, 0, 0, 0, 0))

    def mseal(self, addr: int, length: int) -> None:
        """Seal a range against changes. Errors: EINVAL, ENOMEM (a hole), ENOSYS before 6.10."""
        self._make("mseal", (number("addr", addr), number("length", length), 0, 0, 0, 0))

    def msync(self, addr: int, length: int, flags: Flags = "SYNC") -> None:
        """Write a mapping's pages to its file. Errors: EINVAL, ENOMEM (a hole), EBUSY."""
        place = (number("addr", addr), number("length", length))
        self._make("msync", (*place, numbers.flags("flags", flags, "MS_"), 0, 0, 0))

    def brk(self, addr: int = 0) -> int:
        """Move the program break: where it is then, which is the old one when it cannot move."""
        return self._make("brk", (number("addr", addr), 0, 0, 0, 0, 0))

    def name(self, addr: int, length: int, name: str | None) -> None:
        """Name anonymous memory, None takes the name away: PR_SET_VMA_ANON_NAME of prctl(2).

        Errors: EINVAL (also of a kernel without CONFIG_ANON_VMA_NAME), EBADF, ENOMEM (a hole).
        """
        where = (numbers.flags("option", "PR_SET_VMA", "PR_"), 0)
        place = (number("addr", addr), number("length", length))
        known: dict[int, object] | None = None
        if name is not None:
            known = {4: numbers.text("name", name)}
        pointer = 1 << 63 | 4 if name is not None else 0
        self._make("prctl", (*where, *place, pointer, 0), known)

    def memfd_create(self, name: str = "", flags: Flags = 0) -> int:
        """Make a file in memory: its descriptor. Errors: EINVAL, EMFILE."""
        made = (1 << 63, numbers.flags("flags", flags, "MFD_"), 0, 0, 0, 0)
        return self._make("memfd_create", made, {0: numbers.text("name", name)})

    def ftruncate(self, fd: int, length: int) -> None:
        """Set a file's length in bytes. Errors: EBADF, EINVAL, EPERM (a seal)."""
        self._make("ftruncate", (number("fd", fd), number("length", length), 0, 0, 0, 0))

    def open(self, path: str, flags: Flags = O_RDWR | O_CREAT) -> int:
        """Open a file, made if it was not there: its descriptor. Errors: EMFILE."""
        opened = (1 << 63, numbers.flags("flags", flags, "O_"), 0, 0, 0, 0)
        return self._make("open", opened, {0: numbers.text("path", path)})

    def close(self, fd: int) -> None:
        """Close a descriptor. Errors: EBADF."""
        self._make("close", (number("fd", fd), 0, 0, 0, 0, 0))

    def fork(self) -> "AddressSpace":
        """Make a child with a copy of this address space. Errors: ENOMEM."""
        machine = self.machine
        pid = self._make("fork", (0, 0, 0, 0, 0, 0))
        return machine.adopt(pid)

    def exit(self) -> None:
        """End the process: its address space goes."""
        self._mm()
        self._target.exit(self.pid)

    def touch(self, addr: int, length: int = 1, *, write: bool = True) -> None:
        """Read or write every page of a range, as a program does by using it.

        Private memory gets its anon_vma by that, and a stack grows.
        Errors: EFAULT where the program would get a signal.
        """
        mm = self._mm()
        where, size = number("addr", addr), number("length", length)
        if not user_range_ok(mm, where, size, write):
            verb = "write" if write else "read"
            raise CallRefused(EFAULT, f"{verb} of {size} bytes at {where:#x}", "", "addr")

    def _mm(self) -> Mm:
        """Return what the engine has. Errors: ESRCH."""
        mm = self._target.mm(self.pid)
        if mm is None:
            raise CallRefused(ESRCH, "the process", _EXITED, "")
        return mm

    def _make(self, name: str, args: tuple[int, ...], mem: dict[int, object] | None = None) -> int:
        call = Call(self.pid, name, args, mem)
        result = self._target.apply(call)
        if -_MAX_ERRNO <= result < 0:
            self._refuse(call, -result)
        return result

    def _refuse(self, call: Call, errno: int) -> None:
        """A call has failed: raise what says so."""
        mm = self._mm()
        if errno == ENOSYS and not self._target.models(call.name):
            raise CallRefused(errno, call.name, "the model does not have it", "")
        raise refusal(mm, call, errno, format_call(call))
