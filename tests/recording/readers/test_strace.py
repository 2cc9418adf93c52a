# SPDX-License-Identifier: GPL-2.0-or-later
"""Every form in which strace writes a line is read to the values that it stands for."""

from pathlib import Path

import pytest

from vmalab.calls.call import Call, Event, Exit, FdPath, Signal, TruncatedStr, Unparsed
from vmalab.calls.format import format_call
from vmalab.linux.include.page import POINTER_UNKNOWN
from vmalab.recording.readers.events import read_events
from vmalab.recording.readers.line_source import LineSource
from vmalab.recording.readers.strace import StraceReader

DATA = Path(__file__).parents[2] / "data" / "recording"
U64 = 2**64
MINUS_1 = U64 - 1
MMAP = "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)"
MMAP_ARGS = (0, 8192, 3, 0x22, MINUS_1, 0)


def read(*lines: str) -> list[Event]:
    reader = StraceReader()
    for line in lines:
        reader.feed(line)
    reader.finish()
    return reader.take()


def read_call(*lines: str) -> Call:
    (call,) = read(*lines)
    assert isinstance(call, Call), call
    return call


def read_unparsed(*lines: str) -> Unparsed:
    (unparsed,) = [event for event in read(*lines) if isinstance(event, Unparsed)]
    return unparsed


PREFIXES = {
    "": (0, 0.0),
    "1234  ": (1234, 0.0),
    "1234<bash> ": (1234, 0.0),
    "12:34:56 ": (0, 45296.0),
    "12:34:56.250000 ": (0, 45296.25),
    "1700000000.500000 ": (0, 1700000000.5),
    "     0.000250 ": (0, 0.00025),
    "1234  12:34:56.250000 ": (1234, 45296.25),
    "1234  1700000000.500000 ": (1234, 1700000000.5),
    "1234       0.000250 ": (1234, 0.00025),
    "1234  12:34:56 (+     0.000250) ": (1234, 45296.0),
    "1234  [00007f1234567890] ": (1234, 0.0),
    "1234  [  9] ": (1234, 0.0),
    "[pid  1234] ": (0, 0.0),
    "[pid  1234] 12:34:56 ": (0, 45296.0),
}


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("suffix", ["", " <0.000011>"])
def test_prefix_gives_thread_and_time(prefix: str, suffix: str) -> None:
    call = read_call(f"{prefix}{MMAP} = 0x7f0000001000{suffix}")
    assert (call.tid, call.time) == PREFIXES[prefix]
    assert (call.name, call.args, call.ret) == ("mmap", MMAP_ARGS, 0x7F0000001000)
    assert call.ret_text == "0x7f0000001000"


@pytest.mark.parametrize(
    "arguments",
    [
        "NULL, 8192, 0x3, 0x22, -1, 0",
        "NULL, 0x2000, 0x3 /* PROT_READ|PROT_WRITE */, 0x22 /* MAP_PRIVATE|MAP_ANONYMOUS */, -1, 0",
        "NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, 0xffffffffffffffff, 0",
        "NULL, 8*1024, PROT_READ|0x2, 0x2 /* MAP_??? */|MAP_ANONYMOUS, -1, 00",
    ],
    ids=["raw", "verbose", "hexadecimal descriptor", "mixed"],
)
def test_each_style_of_constants_gives_the_same_numbers(arguments: str) -> None:
    assert read_call(f"mmap({arguments}) = 0x1000").args == MMAP_ARGS


RESULTS = {
    "0": (0, None),
    "0x7f0000001000": (0x7F0000001000, None),
    "-1 ENOMEM (Cannot allocate memory)": (-12, None),
    "-1 ENOMEM (Cannot allocate memory) (INJECTED)": (-12, None),
    "-1 (errno 600)": (-600, None),
    "3</etc/x>": (3, "/etc/x"),
    "3<socket:[77]>": (3, "socket:[77]"),
    "0x1 (flags FD_CLOEXEC)": (1, "flags FD_CLOEXEC"),
    "?": (None, None),
    "? <unavailable>": (None, None),
    "? ERESTARTSYS (To be restarted if SA_RESTART is set)": (None, None),
}


@pytest.mark.parametrize("text", RESULTS)
@pytest.mark.parametrize("padding", ["", "       "])
def test_result(text: str, padding: str) -> None:
    call = read_call(f"77 fcntl(3, F_GETFD){padding} = {text}")
    assert (call.ret, call.ret_mem) == RESULTS[text]
    assert call.ret_text == text
    assert call.restarts == ("ERESTART" in text)


def test_pointers_that_were_printed_as_what_they_point_to() -> None:
    call = read_call('openat(AT_FDCWD, "/lib/x.so", O_RDONLY|O_CLOEXEC) = 3')
    assert call.args == (U64 - 100, POINTER_UNKNOWN | 1, 0o2000000, 0, 0, 0)
    assert call.mem == {1: "/lib/x.so"}


def test_limits() -> None:
    call = read_call(
        "prlimit64(0, RLIMIT_STACK, NULL, {rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY}) = 0"
    )
    assert call.args == (0, 3, 0, POINTER_UNKNOWN | 3, 0, 0)
    assert call.mem == {3: {"rlim_cur": 8388608, "rlim_max": U64 - 1}}


def test_arguments_of_clone_are_put_in_the_order_of_the_kernel() -> None:
    call = read_call(
        "clone(child_stack=0x5000, flags=CLONE_VM|SIGCHLD, parent_tid=[7], tls=0x6000, "
        "child_tidptr=0x7000) = 7"
    )
    assert call.args == (0x111, 0x5000, POINTER_UNKNOWN | 2, 0x7000, 0x6000, 0)
    assert call.mem == {2: [7]}


def test_output_of_clone3_is_apart_from_its_input() -> None:
    call = read_call("5 clone3({flags=CLONE_VM, stack_size=0x1000} => {parent_tid=[9]}, 88) = 9")
    assert call.mem == {0: {"flags": 0x100, "stack_size": 0x1000}}
    assert call.out == {"parent_tid": [9]}
    assert call.args[1] == 88


def test_features_the_kernel_answered_with() -> None:
    call = read_call(
        "ioctl(3, UFFDIO_API, {api=0xaa, features=UFFD_FEATURE_SIGBUS => "
        "features=UFFD_FEATURE_SIGBUS|UFFD_FEATURE_MOVE, ioctls=1<<_UFFDIO_REGISTER}) = 0"
    )
    assert call.mem == {2: {"api": 0xAA, "features": 0x80}}
    assert call.out == {"features": 0x10080, "ioctls": 1}


def test_descriptor_notes_are_kept_beside_the_number() -> None:
    call = read_call("mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3</lib/x.so>, 0) = 0x7f0000000000")
    assert call.args[4] == 3
    assert call.mem == {4: "/lib/x.so"}
    assert isinstance(call.mem[4], FdPath)


def test_cut_string_is_marked() -> None:
    call = read_call(r'memfd_create("\377\377"..., 0) = -1 EINVAL (Invalid argument)')
    assert call.mem == {0: "\udcff\udcff"}
    assert isinstance(call.mem[0], TruncatedStr)


def test_unfinished_call_is_joined_with_its_end() -> None:
    call = read_call(
        "8 mincore(0x7f91a3603000, 4096,  <unfinished ...>",
        "8 <... mincore resumed>[0])         = 0",
    )
    assert call.mem == {2: [0]}
    assert (call.entry_line, call.line, call.ret) == (1, 2, 0)


def test_call_that_never_returns_comes_when_its_thread_ends() -> None:
    call, end = read("8 munmap(0x1000, 4096 <unfinished ...>", "8 +++ killed by SIGKILL +++")
    assert isinstance(call, Call)
    assert isinstance(end, Exit)
    assert (call.name, call.args[:2], call.ret, call.line) == ("munmap", (0x1000, 4096), None, 1)
    assert (end.status, end.signal) == (None, "SIGKILL")


def test_call_that_never_returns_comes_at_the_end_of_the_log() -> None:
    assert read_call("8 ???( <unfinished ...>").name == "???"


def test_call_that_was_left_open_is_closed() -> None:
    call = read_call("8 madvise(0x1000, 4096, MADV_DONTNEED <unfinished ...>) = ?")
    assert (call.args[:3], call.ret) == ((0x1000, 4096, 4), None)


def test_thread_that_makes_another_call_has_left_the_first() -> None:
    first, second = read("8 munmap(0x1000, 4096 <unfinished ...>", "8 close(3) = 0")
    assert isinstance(first, Call)
    assert isinstance(second, Call)
    assert (first.ret, second.ret) == (None, 0)


def test_execve_of_a_thread_goes_on_under_the_number_of_the_leader() -> None:
    end, call = read(
        '21 execve("/bin/x", ["x"], 0x7ffc /* 3 vars */ <unfinished ...>',
        "20 +++ superseded by execve in pid 21 +++",
        "20 <... execve resumed>)             = 0",
    )
    assert isinstance(end, Exit)
    assert isinstance(call, Call)
    assert (end.tid, end.successor) == (21, 20)
    assert (call.tid, call.ret) == (20, 0)
    assert call.mem == {0: "/bin/x", 1: ["x"]}


def test_frames_belong_to_the_call_or_signal_before_them() -> None:
    call, signal = read(
        "8 close(3) = 0",
        " > /lib/libc.so.6(close+0x26) [0x11e]",
        " > /bin/x(main+0x1) [0x11]",
        "8 --- SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=0x5000} ---",
        " > /bin/x(main+0x9) [0x19]",
    )
    assert isinstance(call, Call)
    assert isinstance(signal, Signal)
    assert call.stack == ["/lib/libc.so.6(close+0x26) [0x11e]", "/bin/x(main+0x1) [0x11]"]
    assert signal.stack == ["/bin/x(main+0x9) [0x19]"]


@pytest.mark.parametrize(
    ("text", "name", "addr"),
    [
        ("SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=0x7ff0}", "SIGSEGV", 0x7FF0),
        ("SIGSEGV {si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=NULL}", "SIGSEGV", 0),
        ("SIGCHLD {si_signo=SIGCHLD, si_status=0} ", "SIGCHLD", None),
        ("stopped by SIGTSTP", "SIGTSTP", None),
    ],
)
def test_signal(text: str, name: str, addr: int | None) -> None:
    (signal,) = read(f"8 --- {text} ---")
    assert isinstance(signal, Signal)
    assert (signal.tid, signal.name, signal.addr) == (8, name, addr)


def test_end_of_a_thread() -> None:
    done, dumped = read("8 +++ exited with 3 +++", "9 +++ killed by SIGSEGV (core dumped) +++")
    assert isinstance(done, Exit)
    assert isinstance(dumped, Exit)
    assert (done.status, done.signal) == (3, None)
    assert (dumped.status, dumped.signal) == (None, "SIGSEGV")


def test_notes_of_strace_are_counted_and_no_events() -> None:
    reader = StraceReader()
    for line in ("strace: Process 9 attached", "strace: Process 9 detached", ""):
        reader.feed(line)
    assert (reader.take(), reader.notes, reader.unparsed) == ([], 3, 0)


def test_without_numbers_the_first_process_stays_0() -> None:
    tids = [
        event.tid
        for event in read(
            "brk(NULL) = 0x1000",
            "clone(child_stack=NULL, flags=SIGCHLD) = 51",
            "strace: Process 51 attached",
            "[pid    51] brk(NULL) = 0x1000",
            "[pid    50] brk(NULL) = 0x1000",
            "[pid    50] +++ exited with 0 +++",
            "brk(NULL) = 0x1000",
            "+++ exited with 0 +++",
        )
        if not isinstance(event, Unparsed)
    ]
    assert tids == [0, 0, 51, 0, 0, 51, 51]


def test_i386_is_known_from_its_calls_and_from_a_note_and_is_inherited() -> None:
    events = read(
        "8 mmap2(NULL, 8192, PROT_READ, MAP_PRIVATE, 3, 0x2000) = 0xf7f2b000",
        "8 fork() = 9",
        "9 brk(NULL) = 0x1000",
        "[ Process PID=10 runs in 32 bit mode. ]",
        "10 brk(NULL) = 0x1000",
        "[ Process PID=10 runs in 64 bit mode. ]",
        "10 brk(NULL) = 0x1000",
    )
    abis = [event.abi for event in events if isinstance(event, Call)]
    assert abis == ["i386", "i386", "i386", "i386", "x86_64"]


def test_call_that_strace_did_not_know_gets_its_name() -> None:
    call = read_call("8 syscall_0x1ce(0x7f0000000000, 0x1000, 0, 0, 0, 0) = 0")
    assert (call.name, call.args[:2]) == ("mseal", (0x7F0000000000, 0x1000))


@pytest.mark.parametrize(
    "line",
    [
        "8 rt_sigprocmask(SIG_BLOCK, ~[RTMIN RT_1], [], 8) = 0",
        "8 wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 0}], 0, NULL) = 0",
        "8 restart_syscall(<... resuming interrupted nanosleep ...>) = 0",
        "8 ioctl(3, TIOCODD, {one two}) = 0",
    ],
)
def test_call_of_no_matter_may_look_as_it_likes(line: str) -> None:
    call = read_call(line)
    assert (call.lenient, call.ret, call.args, call.mem) == (True, 0, (0,) * 6, None)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("8 madvise(0x1000, 4096, MADV_NEW) = 0", "MADV_NEW"),
        ("8 mmap(NULL, 18446744073709551616, PROT_READ, 0, 0, 0) = 0", "beyond 64 bits"),
        ("8 mmap(NULL, 4096) (", "no result"),
        ("8 munmap(0x1000, 4096) = maybe", "no number"),
        ("8 munmap(0x1000, 4096) = -1 EODD (What)", "EODD"),
        ("8 munmap(1, 2, 3, 4, 5, 6, 7) = 0", "more than 6 arguments"),
        ("8 munmap(0x1000", "too early"),
        ("8 <... munmap resumed>) = 0", "in no call"),
        ("8 <... munmap", "without 'resumed>'"),
        ("8 +++ exited with what +++", "+++"),
        ("8 --- what ---", "---"),
        ("12345678901 close(3) = 0", "process number"),
        (" > /lib/x(f+1) [0x1]", "frame"),
        ("hello, world", "not a call"),
        ("8 ioctl(3, UFFDIO_REGISTER, {odd odd}) = 0", "ioctl"),
        ("8 close(99999999999999999999999999) = 0", "beyond 64 bits"),
        ("8 close(3) = 99999999999999999999", "beyond 64 bits"),
    ],
)
def test_line_that_cannot_be_understood_says_why(line: str, why: str) -> None:
    unparsed = read_unparsed(line)
    assert why in unparsed.why
    assert unparsed.line == 1
    assert unparsed.text == line[:200]


def test_call_resumed_under_another_name_is_refused() -> None:
    reader = StraceReader()
    reader.feed("8 munmap(0x1000, 4096 <unfinished ...>")
    reader.feed("8 <... mmap resumed>) = 0")
    (event,) = reader.take()
    assert isinstance(event, Unparsed)
    assert event.why == "mmap resumes, but thread 8 is in munmap"


def test_stack_goes_on_in_the_next_block(tmp_path: Path) -> None:
    stack = [f"/usr/lib/libx.so(f{at}+0x1) [0x{at:x}]" for at in range(40)]
    lines = ["7 brk(NULL) = 0x1000", *(f" > {frame}" for frame in stack)]
    (tmp_path / "log").write_text("".join(f"{line}\n" for line in lines) * 500)
    # As whoever takes the calls sees them.
    seen = [
        len(event.stack or ())
        for event in read_events(LineSource(str(tmp_path / "log")), StraceReader())
        if isinstance(event, Call)
    ]
    assert seen == [len(stack)] * 500


def test_hand_picked_lines_are_all_understood() -> None:
    reader = StraceReader()
    source = LineSource(str(DATA / "forms.strace"))
    events = list(read_events(source, reader))
    assert reader.unparsed == 0
    assert len(events) == reader.lines
    assert {event.name for event in events if isinstance(event, Call) and event.lenient} == {
        "wait4"
    }
    texts = (DATA / "forms.strace").read_text().splitlines()
    printed = [
        (format_call(event), texts[event.line - 1]) for event in events if isinstance(event, Call)
    ]
    assert sum(call in text for call, text in printed) > 90


def test_hand_picked_threads_come_in_the_order_of_their_ends() -> None:
    source = LineSource(str(DATA / "threads.strace"))
    events = list(read_events(source, StraceReader()))
    assert [
        (event.tid, event.name, event.entry_line, event.line, event.ret)
        for event in events
        if isinstance(event, Call)
    ] == [
        (11611, "openat", 2, 2, 3),
        (11606, "clone", 1, 3, 11611),
        (11611, "clone3", 4, 6, 11612),
        (11612, "mmap", 5, 7, 0x7FAAF5934000),
        (11612, "mincore", 8, 10, 0),
        (11611, "madvise", 9, 11, 0),
        (11612, "exit", 12, 12, None),
        (11611, "vfork", 14, 16, 11613),
        (11613, "execve", 15, 17, 0),
        (11611, "wait4", 20, 21, 11613),
        (11611, "mprotect", 23, 23, None),
        (11606, "wait4", 22, 25, None),
        (11606, "???", 26, 26, None),
    ]
    assert not [event for event in events if isinstance(event, Unparsed)]
