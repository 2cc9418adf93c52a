# SPDX-License-Identifier: GPL-2.0-or-later
"""What `vmalab why` finds in a kernel's memory: a list of processes, or one of them explained."""

from vmalab.calls.errors import ReadError
from vmalab.explain.why.boundaries import explain, layout_of_vmas
from vmalab.explain.why.place import place_of_vmas
from vmalab.recording.format.meta import Meta, MetaImage
from vmalab.recording.format.release import kernel_version
from vmalab.recording.memory.address_space import AddressSpaces, KernelMemory
from vmalab.targets.model.memory_vmas import vmas_of_memory
from vmalab.targets.model.model import ModelTarget
from vmalab.targets.model.versions import version_for
from vmalab.views.processes import ProcessesFound
from vmalab.views.why import WhyFindings


def processes_in(dump: KernelMemory) -> ProcessesFound:
    """Return the processes of a kernel, those with the most VMAs first. Errors: ReadError."""
    found = sorted(AddressSpaces(dump).processes(), key=lambda one: (-one.vmas, one.pid))
    return ProcessesFound(dump.path, dump.release, found)


def why_in_memory(
    dump: KernelMemory, pid: int, kernel: str | None, address: int | None
) -> WhyFindings:
    """Explain a process, of which everything is known. Errors: ReadError, UsageError."""
    spaces = AddressSpaces(dump)
    process = spaces.process(pid)
    found = spaces.vmas(process)
    if not found:
        raise ReadError(dump.path, 0, f"process {pid} has no VMAs")
    running = kernel_version(dump.release)
    version = version_for(Meta(kernel=running), kernel)
    notes = [f"Process {pid} ({process.name}) of Linux {dump.release}."]
    if len(found) != process.vmas:
        notes.append(f"{process.vmas} VMAs are counted, {len(found)} found: the map was changing.")
    target = ModelTarget(Meta(kernel=running), version)
    target.execute(1, MetaImage(), None)
    mm = target.mm(1)
    assert mm is not None
    vmas, lines = vmas_of_memory(mm, found, running or (0, 0))
    place = None if address is None else place_of_vmas(mm, vmas, lines, address)
    layout = layout_of_vmas(mm, vmas, lines)
    return WhyFindings(dump.path, "saved", "", 0, version, explain(layout), tuple(notes), place)
