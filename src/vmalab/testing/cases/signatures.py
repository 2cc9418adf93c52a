# SPDX-License-Identifier: GPL-2.0-or-later
"""What each operation takes in a `call` line, and reading such lines.

In a signature words in capitals are arguments, those in brackets options, all others stand as they
are.  RANGE is two pages, `10-14`; PAGE one; VMA a page inside a VMA; KIND a letter of the legend;
COUNT a decimal number, of pages; ADVICE one of madvise, as `populate_write`.
"""

import re
from dataclasses import replace
from typing import Final

from vmalab.linux.include.uapi import mman
from vmalab.testing.cases.case import CaseCall
from vmalab.testing.cases.picture import MAX_PAGE

SIGNATURES: Final = (
    "mmap_region RANGE KIND",
    "vma_merge_new_range RANGE KIND [just_expand]",
    "vma_merge_existing_range RANGE KIND [give_up_on_oom]",
    "vma_modify_flags RANGE KIND",
    "vma_modify_name RANGE KIND",
    "vma_modify_policy RANGE KIND",
    "vma_modify_flags_uffd RANGE KIND [give_up_on_oom]",
    "vma_merge_extend VMA to PAGE",
    "vma_expand VMA to RANGE",
    "vma_shrink VMA to PAGE",
    "split_vma at PAGE below",
    "split_vma at PAGE above",
    "do_vmi_munmap RANGE",
    "do_brk_flags RANGE KIND [fresh]",
    "copy_vma RANGE to PAGE [keep_source]",
    "vm_unmapped_area COUNT lowest in RANGE [align COUNT] [offset COUNT] [gap COUNT]",
    "vm_unmapped_area COUNT highest in RANGE [align COUNT] [offset COUNT] [gap COUNT]",
    "expand_downwards VMA to PAGE",
    "expand_upwards VMA to PAGE",
    "relocate_vma_down VMA to PAGE",
    "create_init_stack_vma",
    "insert_vm_struct RANGE KIND",
    "install_special_mapping RANGE KIND",
    "anon_vma_prepare VMA",
    "mm_take_all_locks",
    "mmap RANGE KIND",
    "munmap RANGE",
    "mprotect RANGE KIND",
    "madvise RANGE ADVICE",
    "mlock RANGE",
    "munlock RANGE",
    "mseal RANGE",
    "mremap RANGE to PAGE [dontunmap]",
    "mremap RANGE sized COUNT [maymove]",
)
RANGE: Final = re.compile(r"([0-9a-f]+)-([0-9a-f]+)")
PAGE: Final = re.compile(r"[0-9a-f]+")


def names() -> list[str]:
    """Return the operations, in the order of the table."""
    return list(dict.fromkeys(signature.split()[0] for signature in SIGNATURES))


def parse_call(text: str) -> CaseCall:
    """Read one call without its result.  ValueError: what is wrong with it."""
    words = text.split()
    if not words:
        raise ValueError("a call names an operation")
    signatures = [one for one in SIGNATURES if one.split()[0] == words[0]]
    if not signatures:
        raise ValueError(f"{words[0]!r} is no operation; there are {', '.join(names())}")
    for signature in signatures:
        call = match_signature(" ".join(words), words, signature)
        if call is not None:
            return call
    raise ValueError(f"the call reads `{'` or `'.join(signatures)}`")


def match_signature(text: str, words: list[str], signature: str) -> CaseCall | None:
    """Return the call that the words make under one signature, or None when they do not fit."""
    options = re.findall(r"\[(\w+)( COUNT)?\]", signature)
    needed = re.sub(r"\[.*?\]", "", signature).split()
    call: CaseCall | None = CaseCall(text, words[0])
    for position, expected in enumerate(needed):
        if call is None or position >= len(words):
            return None
        call = with_argument(call, words[position], expected)
    rest = words[len(needed) :]
    takes_count = {name: bool(count) for name, count in options}
    while rest and call is not None:
        name = rest.pop(0)
        if name not in takes_count or name in call.words:
            return None
        if takes_count[name] and not (rest and rest[0].isdecimal()):
            return None
        call.words[name] = int(rest.pop(0)) if takes_count[name] else 0
    return call


def with_argument(call: CaseCall, word: str, expected: str) -> CaseCall | None:
    """Return the call with one more argument, or None when the word does not fit."""
    if expected == "RANGE":
        match = RANGE.fullmatch(word)
        if match is None or not int(match[1], 16) < int(match[2], 16) < MAX_PAGE:
            return None
        return replace(call, start=int(match[1], 16), end=int(match[2], 16))
    if expected in ("PAGE", "VMA"):
        if not PAGE.fullmatch(word) or int(word, 16) >= MAX_PAGE:
            return None
        page = int(word, 16)
        return replace(call, page=page) if expected == "PAGE" else replace(call, vma=page)
    if expected == "KIND":
        return replace(call, letter=word) if len(word) == 1 and word.isalpha() else None
    if expected == "COUNT":
        return replace(call, count=int(word)) if word.isdecimal() and len(word) < 12 else None
    if expected == "ADVICE":
        call.words[word] = 0
        return call if f"MADV_{word.upper()}" in vars(mman) else None
    if expected in ("lowest", "highest", "below", "above", "sized") and word == expected:
        call.words[word] = 0
        return call
    return call if word == expected else None
