# SPDX-License-Identifier: GPL-2.0-or-later
"""The engine's types that refer to each other, and the only ring of imports that there is.

    mm_types.py      Mm, Vma and what they consist of
    file.py          File, Inode, FileAddressSpace, and the operations of files
    task.py          Task and its limits
    files.py         tables of descriptors
    ipc.py           System V shared memory and its ids
    machine.py       MachineState: what a kernel keeps in global variables
    seam.py          Seam: the hooks between the VMA core and the rest

Two more go with them that are in no ring: kernel_state.py, the variables of memory management, and
vma_iterator.py, the walk over a tree of VMAs.  What needs other modules is elsewhere, in the files
where Linux has it.
"""
