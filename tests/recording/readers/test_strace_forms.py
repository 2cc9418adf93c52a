# SPDX-License-Identifier: GPL-2.0-or-later
"""Logs as a terminal, other options and pastes leave them are read as the log of `strace -o` is."""

import pytest

from vmalab.calls.call import Call, Event, Exit, Thread, Unparsed
from vmalab.recording.readers.paste import ELIDED
from vmalab.recording.readers.strace import StraceReader

MMAP = "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000001000"


def read(*lines: str) -> tuple[list[Event], StraceReader]:
    reader = StraceReader()
    for line in lines:
        reader.feed(line)
    reader.finish()
    return reader.take(), reader


def only_call(*lines: str) -> Call:
    events, reader = read(*lines)
    (call,) = [event for event in events if isinstance(event, Call)]
    assert reader.unparsed == 0, events
    return call


MESSAGES = [
    "strace: Process 23019 attached",
    "strace: Process 23019<worker> attached",
    "Process 23019 attached",
    "Process 23019 attached (waiting for parent)",
    "Process 23019 suspended",
    "Process 23019 resumed (parent 23017 ready)",
    "Process 23019 detached",
]


@pytest.mark.parametrize("message", MESSAGES)
def test_message_amid_a_call_is_taken_out(message: str) -> None:
    call = only_call(f"munmap(0x7f0000001000, 8192{message}", ")   = 0")
    assert (call.name, call.args[:2], call.ret) == ("munmap", (0x7F0000001000, 8192), 0)


@pytest.mark.parametrize("message", MESSAGES)
def test_message_before_unfinished_is_taken_out(message: str) -> None:
    call = only_call(
        f"[pid 7] mprotect(0x7f0000001000, 4096, PROT_NONE{message}",
        " <unfinished ...>",
        "[pid 7] <... mprotect resumed>)     = 0",
    )
    assert (call.name, call.args[:3], call.ret) == ("mprotect", (0x7F0000001000, 4096, 0), 0)


@pytest.mark.parametrize("message", MESSAGES)
def test_message_on_its_own_line_is_a_note(message: str) -> None:
    events, reader = read(message, MMAP)
    assert [type(event) for event in events] == [Call]
    assert (reader.notes, reader.unparsed) == (1, 0)


def test_two_messages_amid_a_call() -> None:
    call = only_call(
        "clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLDstrace: Process 8 attached",
        "strace: Process 9 attached",
        ", child_tidptr=0x7f1000) = 8",
    )
    assert (call.name, call.ret) == ("clone", 8)


def test_line_that_a_page_broke_is_put_together() -> None:
    head, _, tail = MMAP.rpartition("= ")
    call = only_call(f"{head}\\", f"= {tail}")
    assert (call.name, call.ret) == ("mmap", 0x7F0000001000)


def test_output_of_the_program_amid_its_write_is_passed_over() -> None:
    events, reader = read('write(1, "two\\nlines\\n", 10two', "lines", ")             = 10", MMAP)
    assert [event.ret for event in events if isinstance(event, Call)] == [10, 0x7F0000001000]
    assert reader.unparsed == 0


def test_memory_call_that_is_cut_off_is_never_completed_by_a_guess() -> None:
    events, _ = read("mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIV", ") = 0x7f0000001000")
    assert [type(event) for event in events] == [Unparsed, Unparsed]
    assert isinstance(events[0], Unparsed)
    assert events[0].why == "mmap: the line is cut off"


def test_call_that_never_goes_on_is_reported_where_it_stands() -> None:
    events, _ = read('write(1, "x", 1x', MMAP)
    assert isinstance(events[0], Unparsed)
    assert events[0].text == 'write(1, "x", 1x'
    assert isinstance(events[1], Call)


def test_result_without_a_name_is_that_of_the_last_unfinished_call() -> None:
    call = only_call("12 munmap(0x7f0000001000, 24576 <unfinished ...>", ")      = 0 <0.000018>")
    assert (call.tid, call.name, call.ret) == (12, "munmap", 0)


def test_frames_behind_the_end_of_a_thread_are_notes() -> None:
    events, reader = read("7 +++ exited with 0 +++", " > /lib/libc.so.6(_exit+0x29) [0xd4409]")
    assert [type(event) for event in events] == [Exit]
    assert (reader.notes, reader.unparsed) == (1, 0)


def test_table_of_counts_is_a_note() -> None:
    _, reader = read(
        "% time     seconds  usecs/call     calls    errors syscall",
        "------ ----------- ----------- --------- --------- ----------------",
        " 61.62    0.000326          46         7           mmap",
        "  3.21    0.000017          17         1         1 access",
        "------ ----------- ----------- --------- --------- ----------------",
        "100.00    0.000529           6        84         1 total",
    )
    assert (reader.notes, reader.unparsed) == (6, 0)


AROUND = {
    "indented": "    {}",
    "tab": "\t{}",
    "quoted": "> {}",
    "quoted twice": ">> {}",
    "quoted and indented": "> >     {}",
    "bullet": "* {}",
    "table": "| {}",
    "coloured": "\x1b[0;32m{}\x1b[0m",
    "caret colours": "^[[1m{}^[[0m",
    "journal": "Nov 28 19:21:52 host-1 strace[4711]: {}",
    "stamped": "2026-11-28T19:21:52.123456Z {}",
    "kernel clock": "[   12.345678] {}",
    "line number": "17: {}",
    "tag": "<pre>{}</pre>",
    "trailing blanks": "  {}   ",
}


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
@pytest.mark.parametrize("prefix", ["", "4711 ", "[pid 4711] ", "4711 12:34:56.789 "])
def test_what_a_page_puts_around_a_line_is_taken_off(around: str, prefix: str) -> None:
    call = only_call(around.format(prefix + MMAP))
    assert (call.name, call.args[1], call.ret) == ("mmap", 8192, 0x7F0000001000)


def test_entities_of_a_web_page_are_the_characters_they_stand_for() -> None:
    call = only_call(
        "[pid 5] openat(AT_FDCWD, &quot;/etc/ld.so.cache&quot;, O_RDONLY &lt;unfinished ...&gt;",
        "[pid 5] &lt;... openat resumed&gt;) = 3",
    )
    assert (call.name, call.ret, call.mem) == ("openat", 3, {1: "/etc/ld.so.cache"})


def test_entities_that_a_program_wrote_are_left_alone() -> None:
    call = only_call('open("/srv/a&lt;b&amp;c", O_RDONLY) = 3')
    assert call.mem == {0: "/srv/a&lt;b&amp;c"}


@pytest.mark.parametrize(
    "line",
    [
        "```",
        "```console",
        "~~~",
        "<pre>",
        "</code>",
        "$ strace -f -e trace=memory ./app",
        "# strace ./app",
        "user@host:~/src$ strace ./app",
        "[user@host ~]$ strace ./app",
        "(venv) user@host:/tmp# strace -p 12",
    ],
)
def test_line_of_the_page_is_a_note(line: str) -> None:
    events, reader = read(line, MMAP)
    assert (len(events), reader.notes, reader.unparsed) == (1, 1, 0)


@pytest.mark.parametrize(
    "line",
    [
        "...",
        "....",
        "[...]",
        "(...)",
        "<snip>",
        "[snip]",
        "-- snip --",
        "…",
        "> ...",
        "  ...",
        "... 120 lines omitted ...",
        "[truncated]",
    ],
)
def test_lines_left_out_are_reported(line: str) -> None:
    events, _ = read(line, MMAP)
    assert isinstance(events[0], Unparsed)
    assert events[0].why == ELIDED


def test_threads_that_strace_attached_to_are_of_one_process() -> None:
    events, _ = read(
        "strace: Process 12345 attached with 3 threads",
        "[pid 12347] munmap(0x7f0000001000, 4096) = 0",
        "[pid 12345] munmap(0x7f0000003000, 4096) = 0",
        "[pid 12346] munmap(0x7f0000002000, 4096) = 0",
        "[pid 12347] munmap(0x7f0000004000, 4096) = 0",
    )
    told = [(item.tid, item.leader) for item in events if isinstance(item, Thread)]
    assert told == [(12347, 0), (12346, 0)]
    assert [item.tid for item in events if isinstance(item, Call)] == [12347, 0, 12346, 12347]


def test_process_that_strace_attached_to_keeps_its_name_when_it_forks() -> None:
    events, _ = read(
        "strace: Process 12 attached",
        "munmap(0x7f0000001000, 4096) = 0",
        "clone(child_stack=NULL, flags=SIGCHLDstrace: Process 13 attached",
        ") = 13",
        "[pid 12] munmap(0x7f0000001000, 4096) = 0",
        "[pid 13] munmap(0x7f0000001000, 4096) = 0",
    )
    assert [item.tid for item in events if isinstance(item, Call)] == [0, 0, 0, 13]


@pytest.mark.parametrize(
    "note",
    [
        "</tmp/remote-settings-startup-bundle->",
        "</a->",
        "</a-<char 1:3>>",
        "<TCP:[1.2.3.4:5->6:7]>",
        "<UNIX-STREAM:[12->34]>",
        '<UNIX:[1->2,"/x"]>',
        "<socket:[9]>",
    ],
)
def test_note_ends_at_its_bracket_whatever_the_name_ends_in(note: str) -> None:
    call = only_call(f"close(3{note})   = 0")
    assert (call.args[0], call.ret) == (3, 0)


def test_note_behind_a_comment() -> None:
    call = only_call('openat(-100 /* AT_FDCWD */</srv>, "x", 0 /* O_RDONLY */) = 3</srv/x>')
    assert (call.ret, call.mem and call.mem[1]) == (3, "x")


def test_words_of_strace_d_amid_a_call_are_taken_out() -> None:
    word = " [wait(0x057f) = 23] WIFSTOPPED,sig=SIGTRAP"
    call = only_call(f"brk(0{word}", ")                                  = 0x76e000", word)
    assert (call.name, call.ret) == ("brk", 0x76E000)


COMPLETE = {
    MMAP: True,
    "brk(NULL) = 0x55783": False,
    "munmap(0x7f0000001000, 4096) = 0": False,
    "munmap(0x7f0000001000, 4096) = 0 <0.000012>": True,
    "munmap(0x7f0000001000, 4096) = -1 EINVAL (Invalid argument) <0.000012>": True,
    "munmap(0x7f0000001000, 4096) = -1 EINVAL (Invalid argument)": True,
    "munmap(0x7f0000001000, 4096) = -1 EINVAL": False,
}


@pytest.mark.parametrize("line", COMPLETE)
def test_last_line_without_a_newline_counts_where_nothing_can_be_missing(line: str) -> None:
    reader = StraceReader()
    reader.cut(line)
    reader.finish()
    assert isinstance(reader.take()[0], Call) is COMPLETE[line]
