# SPDX-License-Identifier: GPL-2.0-or-later
"""Where nothing tells which file systems files are on: learnt from what calls answer.

What an answer, or the map after it, shows is taken over once, and the call counts as adopted; what
follows from it is predicted from then on.  What a recording tells is never learnt otherwise.
"""

from collections.abc import Callable, Iterator
from typing import Final, final

from vmalab.calls.call import Call
from vmalab.calls.snapshot import UNKNOWN_DEV, VmaLine
from vmalab.linux.include.page import PAGE_SIZE, PMD_SIZE
from vmalab.linux.include.uapi.errno import EFAULT, EINVAL, ENOMEM, EPERM
from vmalab.linux.include.uapi.mman import (
    MADV_POPULATE_READ,
    MADV_POPULATE_WRITE,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_SHARED,
    MAP_TYPE,
    PROT_EXEC,
    PROT_WRITE,
)
from vmalab.linux.mm.filemap import generic_fops, thp_fops
from vmalab.linux.types.file import I_REG, File
from vmalab.linux.types.super_block import (
    HUGETLBFS,
    OVERLAYFS,
    TMPFS,
    UNALIGNED_TYPE,
    UNKNOWN_TYPE,
    SuperBlock,
)
from vmalab.linux.types.vma_iterator import vma_lookup
from vmalab.recording.format.steps import Step
from vmalab.replay.attempt import Attempt
from vmalab.targets.model.file_notes import told_by
from vmalab.targets.model.file_systems import (
    files_in,
    forget_sizes,
    learn_noexec,
    refit,
    refit_file,
)
from vmalab.targets.model.mapped_files import file_of, place_of
from vmalab.targets.model.model import ModelTarget

# Types that place the files of an unknown file system in each possible way, with their huge=.
_PLACEMENTS: Final = (
    (UNALIGNED_TYPE, "never"),
    (UNKNOWN_TYPE, "never"),
    (TMPFS, "always"),
)
# What takes whole huge pages, which shows where a length is none.
_WHOLE_PAGES: Final = (HUGETLBFS, "never")
# Sizes of huge pages that shared anonymous memory may be aligned to, largest first.
_SIZES: Final = tuple(PMD_SIZE >> shift for shift in range(8))


@final
class UnknownFiles:
    """Learns file systems, and sizes of huge pages, that a recording does not tell."""

    def __init__(self, target: ModelTarget) -> None:
        self._target = target
        # Whether shared anonymous memory goes by settings that nothing tells.
        self._sizes_unknown = not any("/shmem_enabled" in name for name in target.meta.thp)

    def learn(self, call: Call, step: Step | None) -> bool:
        """Learn what an answer shows of a file before the call is made; whether it shows any.

        step: the recorded change of the map by this call, None for none.
        """
        if call.ret == -EINVAL and call.name in ("munmap", "mprotect"):
            return self._learn_whole_pages(call)
        if call.name != "mmap" or call.ret is None:
            return False
        if call.args[3] & MAP_ANONYMOUS:
            if call.args[3] & MAP_SHARED:
                return self._learn_sizes(call)
            return self._learn_alignment(call)
        file = file_of(self._target.task(call.tid), call)
        sb = None if file is None else file.inode.i_sb
        if file is None or sb is None or file.inode.kind != I_REG:
            return False
        mount = self._target.machine.mount_at(file.path)
        noexec = not mount.noexec_known and self._learn_noexec(call, step, file, mount)
        if sb.type_known:
            return noexec
        if self._shows_huge_pages(call, step):
            sb.s_type = HUGETLBFS
            refit(self._target.machine, sb)
            return True
        return (call.ret >= 0 and self._learn_placement(call, file, sb)) or noexec

    def learn_stacked(self, call: Call, line_at: Callable[[int], VmaLine | None]) -> bool:
        """Learn that the file that a call maps is on an overlayfs.

        Its mapping has the device of the file below. line_at: returns the line of the
        next map at an address.
        """
        if call.ret is None or call.ret < 0:
            return False
        file, told = file_of(self._target.task(call.tid), call), told_by(call, 4)
        sb = None if file is None else file.inode.i_sb
        if told is None or not told.dev or sb is None or sb.type_known:
            return False
        line = line_at(call.ret)
        if line is None or line.name != told.path or line.dev in (told.dev, UNKNOWN_DEV):
            return False
        sb.s_type = OVERLAYFS
        refit(self._target.machine, sb)
        return True

    def _learn_noexec(self, call: Call, step: Step | None, file: File, mount: SuperBlock) -> bool:
        """Learn whether files are on a mount with noexec: by EPERM, or by a VMA without `me`."""
        if call.args[2] & PROT_EXEC:
            if call.ret != -EPERM:
                mount.noexec_known = call.ret is not None and call.ret >= 0
                return False
        else:
            lines = [] if step is None else [line for line in step.new if line.start == call.ret]
            flags = lines[0].behind.flags if lines else None
            if flags is None or "me" in flags or file.noexec:
                mount.noexec_known = flags is not None
                return False
        learn_noexec(self._target.machine, mount)
        return True

    def _shows_huge_pages(self, call: Call, step: Step | None) -> bool:
        """Tell whether a mapping is one of huge pages: by its VMA, or by what is no whole page."""
        addr, length, _, flags, _, offset = call.args
        if call.ret == -EINVAL:
            at = addr if flags & (MAP_FIXED | MAP_FIXED_NOREPLACE) else 0
            whole = (at | offset) % PAGE_SIZE == 0 and length != 0 and flags & MAP_TYPE
            return whole != 0 and (at | offset) % PMD_SIZE != 0
        lines = [] if step is None else step.new
        return any(line.start == call.ret and "ht" in (line.behind.flags or ()) for line in lines)

    def _learn_whole_pages(self, call: Call) -> bool:
        """Learn that a mapping is one of huge pages from a range that may not be cut out of it."""
        mm, (start, length) = self._target.mm(call.tid), call.args[:2]
        if mm is None or start % PAGE_SIZE or not 0 < start < mm.task_size:
            return False
        vma = vma_lookup(mm, start)
        sb = None if vma is None or vma.vm_file is None else vma.vm_file.inode.i_sb
        if vma is None or sb is None or sb.type_known or vma.vm_start % PMD_SIZE:
            return False
        end = min(start + length, vma.vm_end)
        if start % PMD_SIZE == 0 and (end % PMD_SIZE == 0 or end == vma.vm_end):
            return False
        sb.s_type = HUGETLBFS
        refit(self._target.machine, sb)
        return True

    def _learn_placement(self, call: Call, file: File, sb: SuperBlock) -> bool:
        """Learn how files of a file system are placed, from an address that was chosen freely."""
        if call.args[1] < PMD_SIZE or not self._is_free(call):
            return False
        target = self._target
        if self._place(call) == call.ret:
            return False
        before = (sb.s_type, sb.huge)
        placements = _PLACEMENTS if call.args[1] % PMD_SIZE == 0 else (*_PLACEMENTS, _WHOLE_PAGES)
        for sb.s_type, sb.huge in placements:
            refit_file(target.machine, file)
            if self._place(call) == call.ret:
                refit(target.machine, sb)
                return True
        sb.s_type, sb.huge = before
        file.inode.hugetlb = None
        refit_file(target.machine, file)
        if ((call.ret or 0) - call.args[5]) % PMD_SIZE == 0:
            return False
        # Something is in the way that the log does not show; that it is not aligned shows.
        sb.s_type = UNALIGNED_TYPE
        refit(target.machine, sb)
        return True

    def _place(self, call: Call) -> int:
        return place_of(self._target.task(call.tid), call)

    def _is_free(self, call: Call) -> bool:
        return call.args[3] & (MAP_FIXED | MAP_FIXED_NOREPLACE) == 0

    def _learn_alignment(self, call: Call) -> bool:
        """Learn whether the kernel aligns anonymous memory to huge pages, where nothing tells it.

        Linux 6.7 began to for any length, and 6.12 does so for whole huge pages only.
        """
        if self._target.kernel_known or call.ret is None or call.ret < 0:
            return False
        if call.args[1] < PMD_SIZE or not self._is_free(call) or self._place(call) == call.ret:
            return False
        config = self._target.machine.config
        features = config.features
        before = (features.thp_aligns_anonymous, config.thp_aligns_any_length)
        for aligns, any_length in ((False, False), (True, False), (True, True)):
            features.thp_aligns_anonymous = aligns
            config.thp_aligns_any_length = any_length
            if self._place(call) == call.ret:
                return True
        features.thp_aligns_anonymous, config.thp_aligns_any_length = before
        return False

    def _learn_sizes(self, call: Call) -> bool:
        """Learn to which size of huge pages shared anonymous memory is aligned."""
        if not self._sizes_unknown or not self._is_free(call) or (call.ret or -1) < 0:
            return False
        config = self._target.machine.config
        if call.args[1] <= PAGE_SIZE or self._place(call) == call.ret:
            return False
        before = config.shmem_sizes
        for config.shmem_sizes in _candidates():
            if self._place(call) == call.ret:
                return True
        config.shmem_sizes = before
        return False

    def learn_layer(self, attempt: Attempt) -> bool:
        """Learn that a file is on an overlayfs, where its mapping has not merged as it would have.

        Mutates: the files of that file system; the VMAs are for the caller to bring in line.
        """
        call, mismatch = attempt.call, attempt.mismatch
        if call.name != "mmap" or call.ret is None or mismatch is None or not attempt.answered:
            return False
        if mismatch.what not in ("range", "a VMA less") or call.args[2] & PROT_WRITE:
            return False
        file = file_of(self._target.task(call.tid), call)
        sb = None if file is None else file.inode.i_sb
        vma = vma_lookup(attempt.mm, call.ret)
        if file is None or sb is None or sb.type_known or vma is None or vma.vm_file is not file:
            return False
        if vma.vm_end - vma.vm_start <= call.args[1]:
            return False
        sb.s_type = OVERLAYFS
        refit(self._target.machine, sb)
        return True

    def learn_below(self, attempt: Attempt) -> bool:
        """Learn from where a mapping moved how the file below one of an overlayfs is placed.

        A file that is not aligned when it is mapped, but when it moves, is on an overlayfs.
        """
        call, predicted = attempt.call, attempt.predicted
        if call.name != "mremap" or attempt.answered or min(call.ret or -1, predicted) < 0:
            return False
        vma = vma_lookup(attempt.mm, predicted)
        file = None if vma is None else vma.vm_file
        sb = None if file is None else file.inode.i_sb
        if file is None or sb is None or sb.s_type not in (OVERLAYFS, UNALIGNED_TYPE):
            return False
        if sb.s_type == UNALIGNED_TYPE:
            sb.s_type = OVERLAYFS
            refit(self._target.machine, sb)
            return True
        file.f_op = generic_fops if file.f_op is thp_fops else thp_fops
        return True

    def learn_size(self, attempt: Attempt) -> bool:
        """Learn from a call that faults memory in that a file is not as long as it was thought to.

        A write, by anyone, may have made it longer. Mutates: makes the call again where it answers
        what was recorded.
        """
        call, touched = attempt.call, attempt.touched
        faults = call.name in ("mlock", "mlock2") or (
            call.name == "madvise" and call.args[2] in (MADV_POPULATE_READ, MADV_POPULATE_WRITE)
        )
        if not faults or touched is None:
            return False
        if attempt.predicted == 0 and call.ret in (-ENOMEM, -EFAULT):
            return any(file.inode.size < 0 for file in files_in(attempt.mm, touched))
        if call.ret != 0 or attempt.predicted not in (-ENOMEM, -EFAULT):
            return False
        sizes = forget_sizes(attempt.mm, touched)
        attempt.answer(self._target.apply(call) if sizes else attempt.predicted)
        if not attempt.answered:
            for inode, size in sizes.items():
                inode.size = size
        return attempt.answered


def _candidates() -> Iterator[list[int]]:
    """Yield settings of sizes: none, then each alone, the largest first."""
    yield []
    for size in _SIZES:
        yield [size]
