# SPDX-License-Identifier: GPL-2.0-or-later
"""Which check refused a call last: a limit of an address space, or an argument against the rules.

The kernel reports an errno only. Here the check that says no leaves a note, on the path that fails;
nothing is written on any other. A check of a limit leaves its figures, in its own unit; a check of
an argument leaves the argument's name and a sentence. The note of the last check that said no
stays, with the errno that the call then returns.
"""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

# None since the note was cleared.
REFUSED_BY_NOTHING: Final = 0
# vm.max_map_count, in VMAs.
REFUSED_MAP_COUNT: Final = 1
# RLIMIT_AS, RLIMIT_DATA and RLIMIT_MEMLOCK in pages; RLIMIT_STACK in bytes.
REFUSED_AS: Final = 2
REFUSED_DATA: Final = 3
REFUSED_MEMLOCK: Final = 4
REFUSED_STACK: Final = 5
# RLIMIT_DATA as brk looks at it, in bytes.
REFUSED_BRK: Final = 6
# The commit limit of vm.overcommit_memory=2, in pages.
REFUSED_COMMIT: Final = 7
# One request against all of RAM and swap (vm.overcommit_memory=0), in pages.
REFUSED_GUESS: Final = 8
# No free range is long enough, in bytes; low and high are where it was looked for.
REFUSED_GAP: Final = 9
# Beyond the end of the address space, in bytes.
REFUSED_RANGE: Final = 10
# Nothing is mapped at an address inside the range.
REFUSED_HOLE: Final = 11
# Something is mapped where nothing may be.
REFUSED_OCCUPIED: Final = 12
# Below vm.mmap_min_addr, in bytes; what is needed is a lower bound.
REFUSED_MIN_ADDR: Final = 13
# The VMA at an address is sealed.
REFUSED_SEAL: Final = 14
# PR_SET_MDWE forbids memory that is writable and executable.
REFUSED_MDWE: Final = 15
# A guard gap of a stack would be lost.
REFUSED_STACK_GAP: Final = 16
# The pool of huge pages, in huge pages.
REFUSED_HUGE_PAGES: Final = 17
# Pages of the range cannot be faulted in.
REFUSED_FAULT: Final = 18
# A length that does not fit once it is rounded up to pages.
REFUSED_LENGTH: Final = 19
# fs.aio-max-nr, in events.
REFUSED_AIO: Final = 20
# An argument is against the rules.
REFUSED_ARGUMENT: Final = 21


@final
@mypyc_attr(native_class=True)
class Refusal:
    """The check that said no last. Valid until the next one does, or it is cleared.

    errno: what the call returns for it. needed: what its limit would have to be for this check
    alone to let the call pass; limit: what it is, both in the check's unit, 0 where there is none.
    at: the address that it is about, bytes, 0 for none. low, high: the range that was searched,
    bytes. argument: its name in the manual page, "" for no single one; why: what is wrong with it,
    to be read before " at ADDRESS" where `at` is not 0. Both are "" where a limit refused.
    """

    def __init__(self) -> None:
        self.check: i64 = REFUSED_BY_NOTHING
        self.errno: i64 = 0
        self.needed: i64 = 0
        self.limit: i64 = 0
        self.at: i64 = 0
        self.low: i64 = 0
        self.high: i64 = 0
        self.argument: str = ""
        self.why: str = ""

    def clear(self) -> None:
        """Forget it, before a call."""
        self.check = REFUSED_BY_NOTHING
        self.errno = 0

    def refuse(self, errno: i64, check: i64, needed: i64, limit: i64) -> i64:
        """Note which check says no, and what its limit would have to be; answer -errno."""
        self.check, self.needed, self.limit, self.at = check, needed, limit, 0
        self.errno, self.argument, self.why = errno, "", ""
        return -errno

    def refuse_at(self, errno: i64, check: i64, addr: i64) -> i64:
        """Note which check says no, and the address that it is about; answer -errno."""
        self.check, self.needed, self.limit, self.at = check, 0, 0, addr
        self.errno, self.argument, self.why = errno, "", ""
        return -errno

    def refuse_search(self, errno: i64, check: i64, needed: i64, low: i64, high: i64) -> i64:
        """Note which check says no, the bytes it looked for and where; answer -errno."""
        self.refuse(errno, check, needed, 0)
        self.low, self.high = low, high
        return -errno

    def blame(self, errno: i64, argument: str, why: str) -> i64:
        """Note that an argument is against the rules; answer -errno."""
        return self.blame_at(errno, argument, why, 0)

    def blame_at(self, errno: i64, argument: str, why: str, at: i64) -> i64:
        """Note that an argument is against the rules, and the address that tells; answer -errno."""
        self.check, self.errno = REFUSED_ARGUMENT, errno
        self.needed, self.limit, self.at = 0, 0, at
        self.argument, self.why = argument, why
        return -errno

    def rename(self, argument: str, name: str) -> None:
        """Give the argument the name that it has in the call, where another call's work is done."""
        if self.argument == argument:
            self.argument = name

    def answer(self, errno: i64) -> i64:
        """Note that the call returns another errno than the check said; answer -errno."""
        self.errno = errno
        return -errno
