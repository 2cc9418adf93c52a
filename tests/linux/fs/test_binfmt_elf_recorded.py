# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs of recordings: from their headers, and what was drawn for them, to their first map.

Each file of data holds the headers of a program and of its interpreter, the draws that its
recorded addresses imply, and its recorded map, VmFlags and mm fields.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from vmalab.linux.fs.binfmt_elf import load_elf_binary
from vmalab.linux.fs.binfmts import LinuxBinprm
from vmalab.linux.fs.elf import ElfFile, ElfPhdr
from vmalab.linux.fs.open import file_open
from vmalab.linux.fs.proc.task_mmu import mm_lines, mm_vmas
from vmalab.linux.include.proc_maps import vm_flag_letters
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.types.file import File
from vmalab.linux.types.task import Task

DATA = Path(__file__).parents[2] / "data" / "elf"


def load(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text("utf-8"))
    return data


def elf_of(data: dict[str, Any]) -> ElfFile:
    phdrs = [ElfPhdr(*numbers) for numbers in data["phdrs"]]
    elf = ElfFile(data["e_type"], data["e_machine"], data["e_entry"], data["e_phoff"], phdrs)
    elf.interp = None if data["interp"] is None else data["interp"].encode()
    return elf


def file_of(machine: LinuxMachine, data: dict[str, Any]) -> File:
    file = file_open(machine, data["path"], 0, data["dev"], data["ino"])
    file.inode.size = data["size"]
    return file


@pytest.mark.parametrize("name", ["perl", "cc1", "tail"])
def test_a_recorded_program_begins_as_recorded(
    machine: LinuxMachine, task: Task, name: str
) -> None:
    data = load(name)
    facts = data["facts"]
    machine.config.mmap_min_addr = data["sysctl"]["min_addr_effective"]
    task.randomize = True
    task.signal.rlim_cur[3] = facts.pop("rlimit_stack")
    bprm = LinuxBinprm(file_of(machine, data["program"]), elf_of(data["program"]))
    bprm.interpreter = file_of(machine, data["interpreter"])
    bprm.interp_elf = elf_of(data["interpreter"])
    for fact, value in facts.items():
        assert hasattr(bprm, fact)
        setattr(bprm, fact, value)
    assert load_elf_binary(task, bprm) == 0
    mm = task.mm
    assert mm is not None
    assert mm_lines(mm) == data["maps"]
    words = [list(vm_flag_letters(vma.vm_flags)) for vma in mm_vmas(mm)]
    assert words == data["flags"][:-1]
    assert {field: getattr(mm, field) for field in data["mm"]} == data["mm"]
