# SPDX-License-Identifier: GPL-2.0-or-later
"""VMAs and written memory are found by this kernel's ioctls, and by the text of older kernels."""

import ctypes
import mmap
import os

from vmalab.linux.include.uapi.mman import MAP_NORESERVE
from vmalab.recording.readers.maps import parse_maps
from vmalab.recording.tracer.pagemap import LARGE
from vmalab.recording.tracer.probe import Probe
from vmalab.recording.tracer.proc_files import read_proc

PAGE = 4096


def test_written_pages_are_found(probe: Probe) -> None:
    area = mmap.mmap(-1, 16 * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    view = memoryview(area)
    start = address_of(view)
    assert probe.written(start, start + 16 * PAGE) == -1
    assert view[3 * PAGE] == 0, "a read maps the zero page, which is nobody's own"
    assert probe.written(start, start + 16 * PAGE) == -1
    area[5 * PAGE] = 1
    assert probe.written(start, start + 16 * PAGE) == start + 5 * PAGE
    assert start + 5 * PAGE in probe.near(start, start + 16 * PAGE, fresh=False)
    assert start + 5 * PAGE not in probe.near(start, start + 16 * PAGE, fresh=True)
    view.release()


def address_of(view: memoryview) -> int:
    """Where a buffer is."""
    return ctypes.addressof(ctypes.c_char.from_buffer(view))


def test_vmas_by_address(probe: Probe) -> None:
    first = parse_maps(read_proc(os.getpid(), "maps").decode())[0]
    assert probe.vma_at(first.start) == (first.start, first.end, False)
    assert probe.vma_at(0) == (first.start, first.end, False)
    assert probe.vma_at((1 << 47) - 1) is None


def test_a_large_mapping_is_not_read_page_by_page(probe: Probe) -> None:
    """What is found is that there are written pages, if not which."""
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE
    area = mmap.mmap(-1, 1 << 42, flags=flags)
    # Apart from what lies beside it, and was written to.
    area.madvise(mmap.MADV_DONTDUMP)
    view = memoryview(area)
    start = address_of(view)
    end = start + (1 << 42)
    assert end - start > LARGE
    assert probe.written(start, end) == -1
    area[PAGE * 123456] = 1
    assert start <= probe.written(start, end) <= start + PAGE * 123456
    view.release()
