# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab place`: where mmap would put a mapping, and why there."""

from typing import Final

import click

from vmalab.api.maps import Maps
from vmalab.api.recording import Recording
from vmalab.api.space import AddressSpace
from vmalab.calls.call import Call
from vmalab.calls.errors import ReadError, UsageError
from vmalab.calls.symbols import ERRNO_NAME
from vmalab.cli.completion import subjects
from vmalab.cli.in_json import answers_in_json
from vmalab.cli.moment import chooses_moment
from vmalab.cli.stated import states_machine
from vmalab.cli.subject import (
    MemorySubject,
    ProcessSubject,
    SnapshotSubject,
    parse_address,
    parse_at,
    subject_of,
)
from vmalab.explain.enomem.failed_calls import why_refused
from vmalab.explain.why.landing import Landing, Wanted, landing_of
from vmalab.linux.fs.filesystems import fops_of_type
from vmalab.linux.include.page import PAGE_MASK, PAGE_SIZE, TASK_SIZE_5LEVEL
from vmalab.linux.include.uapi.mman import (
    MAP_ANONYMOUS,
    MAP_PRIVATE,
    MAP_SHARED,
    PROT_READ,
    PROT_WRITE,
)
from vmalab.linux.types.file import FMODE_READ, FMODE_WRITE, I_REG, File, Inode
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.super_block import HUGETLBFS
from vmalab.patterns import pattern
from vmalab.recording.format.filesystem import check_known
from vmalab.recording.format.stated import Stated
from vmalab.recording.readers.map_file import read_map
from vmalab.targets.model.versions import linux_named
from vmalab.views.answers.answer import answer_json
from vmalab.views.answers.place import place_answer
from vmalab.views.landing import landing_told
from vmalab.views.output import complain, put, say
from vmalab.views.text_table import size_text

_LENGTH: Final = pattern(r"(0x[0-9a-fA-F]{1,15}|[0-9]{1,17})\s*([KMGT]?)(i?B)?")
_UNITS: Final = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
_NEW_VMAS: Final = {0: "no VMA more: it merges with a neighbour", 1: "1 VMA more"}


@click.command()
@click.argument("subject", metavar="PATH|PID", shell_complete=subjects)
@click.argument("length", metavar="LENGTH")
@click.option("--hint", metavar="ADDR", help="The address that mmap is asked for (hexadecimal).")
@click.option("--align", metavar="SIZE", help="Get an address that is a multiple of this.")
@click.option("--on", metavar="TYPE", help="Map a file of this file system: ext4, tmpfs, nfs.")
@click.option("--shared", is_flag=True, help="With MAP_SHARED.")
@chooses_moment
@states_machine()
@answers_in_json("place")
def place(
    subject: str,
    length: str,
    hint: str | None,
    align: str | None,
    on: str | None,
    shared: bool,
    at: str,
    image: str | None,
    kernel: str | None,
    as_json: bool,
    stated: Stated,
) -> None:
    """Show where mmap would put a mapping of LENGTH, and why there.

    PATH is a recording or a saved memory map; PID is a live process, which is only read. LENGTH is
    in bytes, or with K, M, G or T. Shown are the gap that is chosen, the gaps passed over with the
    reason, who asks for an alignment, and what became of a hint. Exit status: 0, 1 when it would be
    refused, 2 when the input cannot be used.
    """
    size = parse_length(length)
    step = PAGE_SIZE if align is None else parse_length(align)
    if step & (step - 1) or step < PAGE_SIZE:
        raise click.BadParameter(f"--align must be a power of two of at least {PAGE_SIZE}")
    wanted = Wanted(
        size + step - PAGE_SIZE,
        0 if hint is None else parse_address(hint),
        MAP_SHARED if shared else MAP_PRIVATE,
        None if on is None else _file(on),
        kind="" if on is None else on,
    )
    space = _space(subject, stated, parse_at(at), image, kernel)
    mm = space.machine.target.mm(space.pid)
    assert mm is not None
    landing = landing_of(mm, wanted)
    vmas, refused = _made(space, mm, wanted)
    if as_json:
        answer = place_answer(subject, space.machine.kernel, landing, vmas, refused)
        say(answer_json("place", answer))
    else:
        say(f"{subject}, as {linux_named(space.machine.kernel)}: {size_text(size)} would land at")
        for part in landing_told(landing):
            put(part)
        if align is not None and landing.address is not None:
            _tell_aligned(landing, size, step)
        if refused:
            say(f"All the same the call would be refused: {refused}")
        elif wanted.file is None and landing.address is not None:
            more = vmas[1] - vmas[0]
            say(f"Readable and writable: {_NEW_VMAS.get(more, f'{more:+} VMAs')}")
    click.get_current_context().exit(1 if refused or landing.address is None else 0)


def parse_length(text: str) -> int:
    """Return a length in bytes: "8192", "0x2000", "8K", "2 MiB". Errors: click.BadParameter."""
    match = _LENGTH().fullmatch(text.strip())
    number = 0 if match is None else int(match[1], 0 if match[1].startswith("0x") else 10)
    length = 0 if match is None else number << _UNITS[match[2]]
    if not 0 < length <= TASK_SIZE_5LEVEL:
        raise click.BadParameter(f"{text[:40]!r} is no length: bytes, or with K, M, G or T")
    return length


def _file(kind: str) -> File:
    """Return a regular file of a file system of some type. Errors: UsageError."""
    check_known(kind)
    if kind == HUGETLBFS:
        raise UsageError(f"--on {kind}: its files have huge pages of one size; not looked for here")
    return File(Inode(I_REG, "00:00", 1), "/file", FMODE_READ | FMODE_WRITE, fops_of_type(kind))


def _space(
    text: str, stated: Stated, at: int | str, image: str | None, kernel: str | None
) -> AddressSpace:
    """Return the address space of a subject, which calls can be made on. Errors: ReadError."""
    named = subject_of(text, stated)
    if isinstance(named, ProcessSubject):
        return AddressSpace(kernel, named.pid)
    if isinstance(named, SnapshotSubject):
        found = read_map(named.path, follow=named.follow)
        for note in found.notes:
            complain(f"{text}: {note}")
        try:
            return AddressSpace(kernel, Maps(found.lines))
        except ValueError as error:
            raise ReadError(named.path, 0, str(error)) from None
    if isinstance(named, MemorySubject):
        raise click.UsageError(f"{named.path}: name a recording, a saved map or a PID")
    return Recording(named.recording).address_space(at=at, image=image, kernel=kernel)


def _made(space: AddressSpace, mm: Mm, wanted: Wanted) -> tuple[tuple[int, int], str]:
    """Return the VMAs before the mapping and with it, and what refuses it beside the search.

    It is made where it is anonymous: readable and writable.
    """
    before = int(mm.map_count)
    if wanted.file is not None:
        return (before, before + 1), ""
    args = (wanted.hint, wanted.length, PROT_READ | PROT_WRITE, wanted.flags | MAP_ANONYMOUS, -1, 0)
    call = Call(space.pid, "mmap", args)
    result = space.machine.target.apply(call)
    if result >= 0:
        return (before, int(mm.map_count)), ""
    verdict, _ = why_refused(mm, call, -result, searching=False)
    errno = ERRNO_NAME.get(-result, str(-result))
    searched = verdict.check in ("no gap", "address range")
    return (before, before), "" if searched else f"{errno}, {verdict.check}: {verdict.why}"


def _tell_aligned(landing: Landing, size: int, step: int) -> None:
    assert landing.address is not None
    first = (landing.address + step - 1) & -step
    size = (size + PAGE_SIZE - 1) & PAGE_MASK
    below, above = first - landing.address, landing.address + landing.length - first - size
    say(f"Aligned to {size_text(step)}: {first:x}-{first + size:x}, with")
    say(f"  {size_text(below)} below and {size_text(above)} above it to be unmapped again")
