# SPDX-License-Identifier: GPL-2.0-or-later
"""Where nothing tells the layout: a bare log, whose addresses are learned as calls show them.

What a call shows is taken over once; what follows from it is predicted from then on.
"""

from typing import Final, final

from vmalab.calls.call import U64_MAX, Call
from vmalab.calls.table import I386_ONLY
from vmalab.linux.arch.x86.entry.vdso import VDSO_NAMES
from vmalab.linux.arch.x86.mmap import mmap_legacy_base
from vmalab.linux.fs.proc.task_mmu import mm_vmas, vma_name
from vmalab.linux.include.page import (
    DEFAULT_MAP_WINDOW,
    PAGE_MASK,
    PAGE_SIZE,
    PMD_SIZE,
    SZ_4G,
    TASK_SIZE_5LEVEL,
    is_pointer_unknown,
)
from vmalab.linux.include.uapi.errno import EEXIST, EFAULT, ENOMEM
from vmalab.linux.include.uapi.mman import (
    MAP_32BIT,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_PRIVATE,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
)
from vmalab.linux.mm.refusal import REFUSED_GAP
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import find_vma, vma_lookup
from vmalab.recording.format.meta import MetaImage
from vmalab.replay.attempt import Attempt
from vmalab.replay.memory_calls import ranges_of
from vmalab.targets.model.capture import vmas_in
from vmalab.targets.model.map_image import MMAP_RANDOM
from vmalab.targets.model.model import ModelTarget

_MAX_REVEALED: Final = 1 << 40
# Flags with which a place shows nothing of where mappings begin.
_PLACED: Final = MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_32BIT
# How far up the legacy layout may begin by chance in 32-bit programs (16 bits of pages), and how
# much exec may have mapped before: loader and vdso; bytes.
_MMAP_RANDOM_32: Final = 1 << 28
_MOST_LOADED: Final = 1 << 22
# Bytes of a loader's code, at least and at most.
_LEAST_CODE: Final = 1 << 16
_LOADER_CODE: Final = 1 << 20


@final
class UnknownLayout:
    """Explains and follows calls whose results depend on addresses that the recording lacks."""

    def __init__(self, target: ModelTarget) -> None:
        self._target = target
        # Address spaces whose area for mappings has been shown by a first placement.
        self._placed: set[Mm] = set()
        self._heap_shown: set[Mm] = set()
        # Where a loader lies that the log does not show: its code, and the hole above, in bytes.
        self._loaders: dict[Mm, tuple[int, int]] = {}
        # Whether lines of the log have been left out: what was mapped or unmapped there is unknown.
        self.elided = False

    def explains(self, attempt: Attempt) -> bool:
        """Return whether a result that was not predicted depends on a layout that is not known."""
        mm, call, predicted = attempt.mm, attempt.call, attempt.predicted
        ret = call.ret
        if ret is None or self.elided:
            return self.elided
        if call.name == "brk":
            first = mm not in self._heap_shown
            self._heap_shown.add(mm)
            return first
        if call.name in ("mmap", "shmat"):
            return self._explains_placement(mm, call, predicted, ret)
        if call.name == "arch_prctl":
            # Whether there is a vdso was decided before the log's first call.
            return -EEXIST in (ret, predicted)
        if call.name == "mremap" and predicted >= 0 and ret >= 0:
            return True
        # Something is mapped where the log has mapped nothing, or nothing where it has.
        absent = (-ENOMEM, -EFAULT) if call.name == "mremap" else (-ENOMEM,)
        return predicted in absent and ret >= 0 and self._reaches_unknown(mm, call)

    def _explains_placement(self, mm: Mm, call: Call, predicted: int, ret: int) -> bool:
        if ret == -EEXIST:
            # What is in the way was mapped before the log's first call: a program, its libraries.
            return predicted >= 0
        if ret < 0 or (predicted < 0 and mm.refusal.check != REFUSED_GAP):
            return False
        fixed = call.name != "shmat" and call.args[3] & (MAP_FIXED | MAP_FIXED_NOREPLACE)
        if mm not in self._placed and not fixed:
            return True
        if call.args[0] != 0 and not fixed and call.name == "mmap":
            # Something that the log does not know of is at the place that was asked for.
            return True
        if fixed:
            return False
        return not is_known(mm, predicted) or self._passes_loader(mm, call, predicted, ret)

    def _passes_loader(self, mm: Mm, call: Call, predicted: int, ret: int) -> bool:
        """Return whether a mapping went below a loader that the log does not show.

        Loaders had a hole of 2 MiB between code and data once. What fits goes into it, so a log
        begins there; what does not fit goes below the code, as far as that reaches.
        """
        size = (call.args[1] + PAGE_SIZE - 1) & PAGE_MASK
        if not mm.topdown or not 0 <= predicted < mm.mmap_base or ret >= predicted:
            return False
        known = self._loaders.get(mm)
        if known is not None:
            return known[0] <= predicted < min(known[1], known[0] + _LOADER_CODE) and ret < known[0]
        low, high = ret + size, predicted + size
        if not _LEAST_CODE < high - low <= min(_MOST_LOADED, size + _LOADER_CODE):
            return False
        others = [vma for vma in vmas_in(mm, low, high) if vma.vm_start != predicted]
        if any(vma.vm_start < high and low < vma.vm_end for vma in others):
            return False
        self._loaders[mm] = (low, high)
        return True

    def shows_base(self, attempt: Attempt) -> bool:
        """Return whether a call is the first to show where the area for mappings begins.

        All else is known. Whoever is placed highest, with nothing above, shows it.
        """
        mm, call, ret = attempt.mm, attempt.call, attempt.call.ret
        if attempt.state.known_base or not is_placed_freely(mm, call):
            return False
        if ret is None or ret < 0 or attempt.predicted < 0 or attempt.answered:
            return False
        size = (call.args[1] + PAGE_SIZE - 1) & PAGE_MASK
        own = attempt.predicted, attempt.predicted + size
        if mm.topdown:
            low, high = ret + size, int(mm.mmap_base)
        else:
            low, high = int(mm.mmap_legacy_base), ret
        # Whatever else lies there was placed before, and would be further up (or down).
        return low > high or not any(
            low < int(vma.vm_end) and int(vma.vm_start) < high
            for vma in vmas_in(mm, low, high)
            if (int(vma.vm_start), int(vma.vm_end)) != own
        )

    def _reaches_unknown(self, mm: Mm, call: Call) -> bool:
        for start, end in ranges_of(call) or []:
            at = start
            while at < end:
                vma = vma_lookup(mm, at)
                if vma is None:
                    return True
                at = vma.vm_end
        return False

    def force(self, attempt: Attempt) -> None:
        """Make the model answer what was recorded, as far as calls can."""
        mm, call, predicted = attempt.mm, attempt.call, attempt.predicted
        ret = call.ret
        if ret is None or is_pointer_unknown(call.args[0]):
            return
        if call.name == "shmat":
            self._placed.add(mm)
        if call.name == "mmap":
            self._force_mmap(attempt, ret)
            self._placed.add(mm)
        elif call.name == "mremap" and ret >= 0:
            if predicted < 0:
                self._reveal(mm, call.args[0], call.args[1])
            old = predicted if predicted >= 0 else call.args[0]
            size = call.args[2] if predicted >= 0 else call.args[1]
            if abs(ret - old) < max(size, call.args[2]) and ret != old:
                old = self._move_aside(call, old, size)
            self._again(
                call, "mremap", (old, size, call.args[2], MREMAP_MAYMOVE | MREMAP_FIXED, ret, 0)
            )
        elif call.name == "brk":
            if 0 < mm.start_brk <= mm.brk < ret:
                self._again(call, "brk", call.args)
        elif ret >= 0 and predicted < 0:
            if call.name == "arch_prctl":
                self._unmap_vdso(mm, call)
            for start, end in ranges_of(call) or []:
                self._reveal(mm, start, end - start, call)
            self._again(call, call.name, call.args)

    def _move_aside(self, call: Call, old: int, size: int) -> int:
        """Move a mapping to where nothing is: a move to a place that overlaps it is refused."""
        tid, flags = call.tid, MAP_PRIVATE | MAP_ANONYMOUS
        free = self._target.apply(Call(tid, "mmap", (0, size, 0, flags, U64_MAX, 0)))
        if free >= 0:
            moves = MREMAP_MAYMOVE | MREMAP_FIXED
            self._again(call, "mremap", (old, size, size, moves, free, 0))
        return old if free < 0 else free

    def _force_mmap(self, attempt: Attempt, ret: int) -> None:
        mm, call, predicted = attempt.mm, attempt.call, attempt.predicted
        args = call.args
        if predicted >= 0:
            self._again(call, "munmap", (predicted, args[1], 0, 0, 0, 0))
        if ret < 0:
            return
        end = (ret + args[1] + PAGE_SIZE - 1) & PAGE_MASK
        state = attempt.state
        if is_placed_freely(mm, call) and not state.known_layout:
            self._learn_base(mm, ret, end)
        elif self.shows_base(attempt):
            if mm.topdown:
                mm.mmap_base = end
            else:
                mm.mmap_base = mm.mmap_legacy_base = ret
            # What may be of huge pages lies at a multiple of their size, perhaps below the base.
            state.known_base = ret % PMD_SIZE != 0
        flags = args[3] & ~MAP_FIXED_NOREPLACE | MAP_FIXED
        self._again(call, "mmap", (ret, args[1], args[2], flags, args[4], args[5]))

    def _learn_base(self, mm: Mm, start: int, end: int) -> None:
        """Let mappings begin where one in `[start, end)` (bytes) shows: downwards, or upwards."""
        first = mm.map_count == 0 or mm not in self._placed
        if first:
            mm.topdown = not is_legacy_place(mm, start)
        if mm.topdown and (first or end > mm.mmap_base):
            mm.mmap_base = min(end, mm.task_size)
        elif not mm.topdown and (first or start < mm.mmap_legacy_base):
            mm.mmap_base = mm.mmap_legacy_base = start

    def _unmap_vdso(self, mm: Mm, call: Call) -> None:
        """Unmap the vdso that the model has: it was elsewhere, and the log unmapped it there."""
        for vma in list(mm_vmas(mm)):
            if vma_name(vma) in VDSO_NAMES:
                size = vma.vm_end - vma.vm_start
                self._again(call, "munmap", (vma.vm_start, size, 0, 0, 0, 0))

    def _reveal(self, mm: Mm, start: int, length: int, call: Call | None = None) -> None:
        """Map what must have been there: private memory in every gap of a range."""
        end = min((start + length + PAGE_SIZE - 1) & PAGE_MASK, TASK_SIZE_5LEVEL)
        at = start & PAGE_MASK
        if end - at > _MAX_REVEALED:
            return
        while at < end:
            vma = vma_lookup(mm, at)
            if vma is not None:
                at = vma.vm_end
                continue
            after = find_vma(mm, at)
            gap = end if after is None else min(end, after.vm_start)
            self._target.reveal(mm, at, gap, True)
            at = gap

    def _again(self, call: Call, name: str, args: tuple[int, ...]) -> None:
        other = Call(call.tid, name, args, call.mem)
        self._target.apply(other)


def is_legacy_place(mm: Mm, place: int) -> bool:
    """Whether a first mapping lies where the legacy layout begins: a third up, or randomly above.

    The other layout begins close below the stack, or, where that is unlimited, a sixth up.
    """
    size, moved = DEFAULT_MAP_WINDOW, MMAP_RANDOM
    if mm.task_size <= SZ_4G:
        size, moved = int(mm.task_size), _MMAP_RANDOM_32
    lowest = mmap_legacy_base(0, size)
    return lowest <= place < lowest + moved + _MOST_LOADED


def knows_base(task: Task | None, mm: Mm | None, image: MetaImage) -> bool:
    """Return whether the first map of a program shows where the area for mappings begins.

    By what lies highest there: its loader, or, with some kernels, its vdso.
    """
    if task is None or mm is None or not task.randomize or image.mm.get("mmap_base"):
        return True
    if mm.topdown:
        return any(vma.vm_end == mm.mmap_base for vma in mm_vmas(mm))
    return vma_lookup(mm, int(mm.mmap_legacy_base)) is not None


def is_placed_freely(mm: Mm, call: Call) -> bool:
    """Return whether an mmap lets the kernel choose the place, in the area for mappings."""
    own = mm.task_size <= SZ_4G or call.spelling not in I386_ONLY
    return own and call.name == "mmap" and call.args[0] == 0 and not call.args[3] & _PLACED


def is_known(mm: Mm, predicted: int) -> bool:
    """Whether a predicted place lies where everything is known: beyond the first placement."""
    if mm.topdown:
        return 0 <= predicted < mm.mmap_base
    return predicted >= mm.mmap_legacy_base
