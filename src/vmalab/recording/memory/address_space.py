# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads processes and their VMAs from a kernel's memory, with all that merging asks for.

What is read comes from a dump, which anybody may have made: every list has a bound, no name is
longer than the kernel's, and nothing is followed twice.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol, final

from vmalab.calls.errors import ReadError
from vmalab.calls.snapshot import NO_DEV, NO_INODE
from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.recording.memory.layout import StructLayout, Types
from vmalab.recording.memory.maple import entries
from vmalab.recording.readers.maps import MAX_VMAS

# Processes of one kernel, bytes of a name, parts of a path, and links that are counted.
MAX_PROCESSES: Final = 1 << 22
_MAX_NAME: Final = 255
_MAX_PARTS: Final = 256
_COMM: Final = 16
# More links of a VMA's chain make no difference.
_MANY_LINKS: Final = 2


class KernelMemory(Protocol):
    """A kernel's memory.

    path: of the dump, for messages. release: as the kernel says. types: what its structs look like.
    """

    path: str
    release: str
    types: Types

    def read(self, address: int, size: int) -> bytes:
        """Return so many bytes at a kernel's address. Errors: ReadError."""

    def symbol(self, name: str) -> int:
        """Return where the kernel has a variable or function. Errors: ReadError."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process with an address space. mm: its struct's address. vmas: as many as it counts."""

    pid: int
    name: str
    mm: int
    vmas: int


@dataclass(frozen=True, slots=True)
class MemoryVma:
    """One VMA as the kernel had it.

    start, end: bytes. flags: VM_* of that kernel. pgoff: page offset. file, inode, anon_vma,
    policy, context: addresses of what it points to, 0 for nothing: equal ones are the same. links:
    of its anon_vma chain, counted up to 2. policy_is: mode, flags, first word of nodes, home node.
    has_close: its operations have a close hook. anon_pgoff: the page number at which its anonymous
    pages were mapped first, None where the kernel keeps none. dev, number, name: as maps shows
    them. anon_name: by PR_SET_VMA_ANON_NAME.
    """

    start: int
    end: int
    flags: int
    pgoff: int
    file: int
    inode: int
    anon_vma: int
    links: int
    policy: int
    policy_is: tuple[int, int, int, int]
    context: int
    has_close: bool
    anon_pgoff: int | None
    dev: str
    number: int
    name: str
    anon_name: str | None


@final
class AddressSpaces:
    """The processes of one kernel."""

    def __init__(self, memory: KernelMemory) -> None:
        """Errors: ReadError for a kernel that is not understood."""
        self._memory = memory
        self._at = StructLayout(memory.types, memory.path)
        self._names: dict[int, tuple[str, str, int, int]] = {}

    def processes(self) -> Iterator[Process]:
        """Yield the processes that have an address space, the oldest first. Errors: ReadError."""
        at = self._at
        links = at["task_struct", "tasks"]
        first = self._memory.symbol("init_task")
        task, seen = first, 0
        while True:
            task = self._pointer(task + links) - links
            seen += 1
            if task == first:
                return
            if seen > MAX_PROCESSES:
                raise ReadError(self._memory.path, 0, "the list of tasks does not end")
            mm = self._pointer(task + at["task_struct", "mm"])
            if mm:
                pid = self._number(task + at["task_struct", "pid"], "<i")
                raw = self._memory.read(task + at["task_struct", "comm"], _COMM)
                vmas = self._number(mm + at["mm_struct", "map_count"], "<i")
                yield Process(pid, _text(raw), mm, vmas)

    def process(self, pid: int) -> Process:
        """Return a process by its number. Errors: ReadError when there is none."""
        for found in self.processes():
            if found.pid == pid:
                return found
        raise ReadError(self._memory.path, 0, f"no process {pid} with an address space")

    def vmas(self, process: Process) -> list[MemoryVma]:
        """Return the VMAs of a process, the lowest first. Errors: ReadError."""
        at, memory = self._at, self._memory
        mm = process.mm
        root = self._pointer(mm + at["mm_struct", "mm_mt.ma_root"])
        special = _Special(
            self._pointer(mm + at["mm_struct", "start_brk"]),
            self._pointer(mm + at["mm_struct", "brk"]),
            self._pointer(mm + at["mm_struct", "start_stack"]),
            self._optional(mm, "mm_struct", "context.vdso"),
        )
        found: list[MemoryVma] = []
        for vma in entries(memory.read, at, root, memory.path):
            if len(found) >= MAX_VMAS:
                raise ReadError(memory.path, 0, f"more than {MAX_VMAS} VMAs")
            found.append(self._vma(vma, special))
        return found

    def _vma(self, address: int, special: "_Special") -> MemoryVma:
        at = self._at
        raw = self._memory.read(address, at.vma_size)

        def word(member: str) -> int:
            where = at.get("vm_area_struct", member)
            return 0 if where is None else int(struct.unpack_from("<Q", raw, where)[0])

        start, end = word("vm_start"), word("vm_end")
        if start >= end or (start | end) & ((1 << PAGE_SHIFT) - 1):
            raise ReadError(self._memory.path, 0, f"no usable VMA at {address:#x}")
        ops, anon_vma, policy = word("vm_ops"), word("anon_vma"), word("vm_policy")
        file = word("vm_file")
        name, dev, number, inode = self._file(file) if file else ("", NO_DEV, NO_INODE, 0)
        anon_name = None
        if not file:
            anon_name = self._anon_name(word("anon_name")) if word("anon_name") else None
            name = special.name(start, end) or (f"[anon:{anon_name}]" if anon_name else "")
            if not name and ops and word("vm_private_data"):
                name = self._special_name(word("vm_private_data"))
        return MemoryVma(
            start,
            end,
            word("vm_flags"),
            word("vm_pgoff"),
            file,
            inode,
            anon_vma,
            self._links(address) if anon_vma else 0,
            policy,
            self._policy(policy) if policy else (0, 0, 0, 0),
            word("vm_userfaultfd_ctx.ctx"),
            bool(ops and self._pointer(ops + at["vm_operations_struct", "close"])),
            self._anon_pgoff(raw),
            dev,
            number,
            name,
            anon_name,
        )

    def _anon_pgoff(self, raw: bytes) -> int | None:
        low = self._at.get("vm_area_struct", "__vm_anon_pgoff_lo")
        high = self._at.get("vm_area_struct", "__vm_anon_pgoff_hi")
        if low is None or high is None:
            return None
        halves = struct.unpack_from("<I", raw, low) + struct.unpack_from("<I", raw, high)
        return int(halves[0] | halves[1] << 32)

    def _pointer(self, address: int) -> int:
        return self._number(address, "<Q")

    def _number(self, address: int, form: str) -> int:
        return int(struct.unpack(form, self._memory.read(address, struct.calcsize(form)))[0])

    def _optional(self, address: int, name: str, member: str) -> int:
        where = self._at.get(name, member)
        return 0 if where is None else self._pointer(address + where)

    def _string(self, address: int, limit: int = _MAX_NAME) -> str:
        """Return the text at an address, which may lie close to the end of what is there."""
        found = b""
        while len(found) <= limit and b"\0" not in found:
            page_rest = 0x1000 - (address + len(found) & 0xFFF)
            found += self._memory.read(address + len(found), min(64, page_rest))
        return _text(found[: limit + 1])

    def _links(self, vma: int) -> int:
        """Count the links of a VMA's anon_vma chain: one, or more."""
        head = vma + self._at["vm_area_struct", "anon_vma_chain"]
        link, count = self._pointer(head), 0
        while link != head and count < _MANY_LINKS:
            count += 1
            link = self._pointer(link)
        return count

    def _policy(self, policy: int) -> tuple[int, int, int, int]:
        at = self._at
        where = [at.get("mempolicy", name) for name in ("mode", "flags", "nodes.bits", "home_node")]
        forms = ("<H", "<H", "<Q", "<i")
        mode, flags, nodes, home = (
            0 if offset is None else self._number(policy + offset, form)
            for offset, form in zip(where, forms, strict=True)
        )
        return mode, flags, nodes, home

    def _anon_name(self, address: int) -> str:
        return self._string(address + (self._at.get("anon_vma_name", "name") or 0))

    def _special_name(self, mapping: int) -> str:
        """Return the name of a mapping that the kernel made: [vvar]; "" where it is none of them.

        What a driver keeps behind the same pointer is no such name.
        """
        try:
            name = self._string(
                self._pointer(mapping + self._at["vm_special_mapping", "name"]), _COMM
            )
        except ReadError:
            return ""
        return name if name[:1] == "[" and name[-1:] == "]" and name.isprintable() else ""

    # Files.

    def _file(self, file: int) -> tuple[str, str, int, int]:
        """Return path, device, inode's number, and inode of a file."""
        known = self._names.get(file)
        if known is None:
            at = self._at
            inode = self._pointer(file + at["file", "f_inode"])
            block = self._pointer(inode + at["inode", "i_sb"])
            dev = self._number(block + at["super_block", "s_dev"], "<I")
            dentry = self._pointer(file + at["file", "f_path.dentry"])
            mount = self._pointer(file + at["file", "f_path.mnt"]) - at["mount", "mnt"]
            name = self._path(dentry, mount)
            number = self._pointer(inode + at["inode", "i_ino"])
            known = (name, f"{dev >> 20:02x}:{dev & 0xFFFFF:02x}", number, inode)
            self._names[file] = known
        return known

    def _path(self, dentry: int, mount: int) -> str:
        """Return a path from the root of all mounts."""
        at = self._at
        hashed = self._pointer(dentry + at["dentry", "d_hash.pprev"]) != 0
        parts: list[str] = []
        for _ in range(_MAX_PARTS):
            root = self._pointer(mount + at["mount", "mnt"] + at["vfsmount", "mnt_root"])
            if dentry != root:
                parts.append(self._string(self._pointer(dentry + at["dentry", "d_name.name"])))
                parent = self._pointer(dentry + at["dentry", "d_parent"])
                if parent == dentry:
                    # A file that never had a name: /dev/zero shared, a memfd, a segment.
                    break
                dentry = parent
                continue
            above = self._pointer(mount + at["mount", "mnt_parent"])
            if above == mount or not above:
                break
            dentry = self._pointer(mount + at["mount", "mnt_mountpoint"])
            mount = above
        gone = " (deleted)" if parts and not hashed else ""
        return "/" + "/".join(reversed(parts)) + gone


@dataclass(frozen=True, slots=True)
class _Special:
    """Where a process has what maps shows by a name of its own."""

    start_brk: int
    brk: int
    stack: int
    vdso: int

    def name(self, start: int, end: int) -> str:
        """Return the name of a VMA without a file, "" for none."""
        if start <= self.brk and end >= self.start_brk and self.brk > self.start_brk:
            return "[heap]"
        if start <= self.stack < end:
            return "[stack]"
        return "[vdso]" if self.vdso and start <= self.vdso < end else ""


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("utf-8", "surrogateescape")
