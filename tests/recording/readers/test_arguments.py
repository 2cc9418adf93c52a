# SPDX-License-Identifier: GPL-2.0-or-later
"""The parser of arguments gives plain values for each form in which strace prints them."""

import pytest

from vmalab.calls.call import TruncatedList, TruncatedStr, UnknownSymbol
from vmalab.recording.readers.arguments import (
    MAX_DEPTH,
    ArgumentParser,
    Described,
    SymbolProblem,
    SyntaxProblem,
    expression,
    number,
    unescape,
)

U64 = 2**64

NUMBERS = {
    "0": 0,
    "-1": U64 - 1,
    "4096": 4096,
    "0600": 0o600,
    "0000000000000000": 0,
    "0x7ffff7fee000": 0x7FFFF7FEE000,
    "18446744073709551615": U64 - 1,
    "NULL": 0,
    "PROT_READ|PROT_WRITE": 3,
    "MAP_SHARED|MAP_HUGETLB|21<<MAP_HUGE_SHIFT": 0x40001 | 21 << 26,
    "PROT_GROWSUP|0xfcfffff0": 0xFEFFFFF0,
    "8192*1024": 8 << 20,
    "1<<_UFFDIO_WAKE|1<<_UFFDIO_COPY|0x120": 0x12C,
    "IPC_CREAT|IPC_EXCL|0600": 0o3600,
    "RLIM64_INFINITY": U64 - 1,
    "AT_FDCWD": U64 - 100,
    "_IOC(_IOC_READ|_IOC_WRITE, 0xaa, 0x7, 0x20)": 0xC020AA07,
    "0x66 /* MADV_??? */": 0x66,
    "0x8 /* MAP_??? */|MAP_ANONYMOUS": 0x28,
    "0x7ffc1c51 /* 37 vars */": 0x7FFC1C51,
}

VALUES = {
    '"/lib/x.so"': "/lib/x.so",
    r'"a\"b\\\n\0\377\x41\303\244"': 'a"b\\\n\0\udcffAä',
    "{start=0x1000, len=0x2000}": {"start": 0x1000, "len": 0x2000},
    "{range={start=0, len=1}, mode=UFFDIO_REGISTER_MODE_WP}": {
        "range": {"start": 0, "len": 1},
        "mode": 2,
    },
    "[0x00000000000002, 0000000000000000]": [2, 0],
    "[]": [],
    "[{iov_base=0x1000, iov_len=4096}, {iov_base=NULL, iov_len=0}]": [
        {"iov_base": 0x1000, "iov_len": 4096},
        {"iov_base": 0, "iov_len": 0},
    ],
    "{st_mode=S_IFREG|0644, st_size=4096, ...}": {
        "st_mode": "S_IFREG|0644",
        "st_size": 4096,
        "...": True,
    },
    '{sin_port=htons(80), sin_addr=inet_addr("1.2.3.4")}': {
        "sin_port": "htons(80)",
        "sin_addr": 'inet_addr("1.2.3.4")',
    },
    "?": "?",
}


def parse(text: str, strict: bool = False) -> tuple[object, object]:
    parser = ArgumentParser(text + ")", 0)
    ((_, value),) = parser.arguments(-1 if strict else 0)
    assert parser.pos == len(text) + 1
    return value, parser.out


@pytest.mark.parametrize("text", NUMBERS)
def test_number(text: str) -> None:
    assert parse(text, strict=True) == (NUMBERS[text], None)


@pytest.mark.parametrize("text", VALUES)
def test_memory(text: str) -> None:
    assert parse(text) == (VALUES[text], None)


def test_cut_string_and_cut_array_are_marked() -> None:
    value, _ = parse('"abc"...')
    assert isinstance(value, TruncatedStr)
    value, _ = parse("[1, 2, ...]")
    assert isinstance(value, TruncatedList)
    assert value == [1, 2]


@pytest.mark.parametrize(
    ("text", "value", "out"),
    [
        ("{flags=0} => {parent_tid=[7]}", {"flags": 0}, {"parent_tid": [7]}),
        (
            "{api=0xaa, features=0 => features=1, ioctls=2}",
            {"api": 170, "features": 0},
            {"features": 1, "ioctls": 2},
        ),
        ("[128 => 16]", [128], 16),
        ("{len=1 => 2}", {"len": 1}, {"len": 2}),
    ],
    ids=["behind a struct", "inside a struct", "inside an array", "of a field"],
)
def test_outputs(text: str, value: object, out: object) -> None:
    assert parse(text) == (value, out)


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("3</etc/ld.so.cache>", "/etc/ld.so.cache"),
        ("3<TCP:[127.0.0.1:80->127.0.0.1:9]>", "TCP:[127.0.0.1:80->127.0.0.1:9]"),
        ("3</tmp/start-up->", "/tmp/start-up-"),
        ("3</dev/null<char 1:3>>", "/dev/null<char 1:3>"),
        (r"3</a\74b\76>(deleted)", "/a<b>"),
    ],
)
def test_descriptor_with_its_path(text: str, note: str) -> None:
    value, _ = parse(text)
    assert isinstance(value, Described)
    assert (value.value, value.note) == (3, note)


def test_names_of_arguments() -> None:
    parser = ArgumentParser("child_stack=NULL, flags=SIGCHLD)", 0)
    assert parser.arguments(-1) == [("child_stack", 0), ("flags", 17)]


def test_unknown_constant_is_refused_where_it_matters_and_kept_elsewhere() -> None:
    with pytest.raises(SymbolProblem, match="MADV_NEW"):
        parse("MADV_NEW", strict=True)
    value, _ = parse("TCGETS")
    assert isinstance(value, UnknownSymbol)


@pytest.mark.parametrize(
    "text",
    [
        "0xnothex",
        "08",
        "1__0",
        "18446744073709551616",
        "-9223372036854775809",
        "9" * 5000,
        "0x" + "f" * 17,
        "1<<64",
        "9999999999*9999999999",
        '"open',
        "{a=1",
        "[1, 2",
        "1 /* open",
        "3</open",
        "1 2",
        "1, ",
        "|",
        "A" * 100000,
        "[" * (MAX_DEPTH + 1),
        "[" * 100000,
        "{a=" * 100000,
        "f(" * 100000,
    ],
    ids=lambda text: text[:20],
)
def test_nonsense_is_a_problem_with_a_reason(text: str) -> None:
    with pytest.raises((SyntaxProblem, SymbolProblem)) as caught:
        parse(text, strict=True)
    assert 0 < len(str(caught.value)) < 150


def test_expression_is_remembered_and_the_same() -> None:
    assert expression("MAP_PRIVATE|MAP_FIXED") == expression("MAP_PRIVATE|MAP_FIXED") == 0x12


def test_number_is_strict_about_its_digits() -> None:
    with pytest.raises(ValueError, match="1_0"):
        number("1_0")


def test_unescape_leaves_characters_beside_escapes_alone() -> None:
    assert unescape("ä\\n\udcff") == "ä\n\udcff"
