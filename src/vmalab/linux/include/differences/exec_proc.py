# SPDX-License-Identifier: GPL-2.0-or-later
"""Differences between kernels in a new program's memory, and in what /proc shows of any."""

from typing import Final

from vmalab.linux.include.feature import Area, Commit, Feature

EXEC_PROC: Final = Area(
    "exec and /proc",
    (
        Feature(
            "auxv_has_rseq",
            "The auxiliary vector has AT_RSEQ_FEATURE_SIZE and AT_RSEQ_ALIGN.",
            since=(6, 12),
            brought=Commit(
                "317c8194e6ae",
                "rseq: Introduce feature size and alignment ELF auxiliary vector entries",
                "v6.3",
            ),
        ),
        Feature(
            "auxv_is_longer",
            "The auxiliary vector has room for 24 entries common to all machines. Before, 22, and "
            "20 before AT_RSEQ_ALIGN.",
            since=(6, 19),
            backported=((6, 18, 20),),
            brought=Commit(
                "4ced4cf5c9d1",
                "binfmt_elf_fdpic: fix AUXV size calculation for ELF_HWCAP3 and ELF_HWCAP4",
            ),
        ),
        Feature(
            "vvar_vclock",
            "Pages of virtual clocks are a mapping of their own, [vvar_vclock], between [vvar] and "
            "[vdso].",
            since=(6, 16),
            brought=Commit(
                "e93d2521b27f",
                "x86/vdso: Split virtual clock pages into dedicated mapping",
                "v6.13",
            ),
        ),
        Feature(
            "vvar_is_mixed",
            "[vvar] is a mixed map. Before, one of page frames.",
            since=(7, 1),
        ),
        Feature(
            "vvar_is_no_io",
            "[vvar] has no VM_IO. [vvar_vclock] keeps it.",
            since=(7, 3),
        ),
        Feature(
            "many_program_headers",
            "A program may have 64 KiB of program headers. Before, 4 KiB.",
            since=(6, 17),
        ),
        Feature(
            "heap_name_needs_overlap",
            "maps names [heap] what overlaps the heap. Before, also what only touches an end of "
            "it.",
            since=(6, 12),
            brought=Commit("d3bb89ea9c13", "mm: fix VMA heap bounds checking", "v6.7"),
        ),
        Feature(
            "smaps_names_lockonfault",
            "smaps shows VM_LOCKONFAULT as lf. Before, as ??.",
            since=(6, 12),
            brought=Commit(
                "8614d6c5eda0", "mm: do not show fs mm pc for VM_LOCKONFAULT pages", "v6.2"
            ),
        ),
        Feature(
            "procmap_query",
            "PROCMAP_QUERY exists.",
            since=(6, 12),
            brought=Commit(
                "ed5d583a88a9",
                "fs/procfs: implement efficient VMA querying API for /proc/<pid>/maps",
                "v6.11",
            ),
        ),
    ),
)
