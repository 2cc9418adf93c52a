# SPDX-License-Identifier: GPL-2.0-or-later
"""Pages as text: hostile names stay names, the size is bounded, the figures are those found."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmalab.calls.call import Call
from vmalab.explain.history.history import History
from vmalab.explain.history.looks import KINDS, Look
from vmalab.explain.history.pieces import Boundary, Piece
from vmalab.explain.history.series import Sample
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay
from vmalab.views.html import replay as view
from vmalab.views.html.callbook import CallBook
from vmalab.views.html.document import (
    CULPRIT,
    MAX_ROWS,
    Figure,
    KeyFigure,
    Page,
    Part,
    Statement,
    Table,
    render,
    title_of,
)
from vmalab.views.html.escape import as_json, shown
from vmalab.views.html.replay import replay_page, size
from vmalab.views.html.timeline import fewer, painted, thinned
from vmalab.views.visible import visible

EVIL = "</script><script>pwned=1</script><img src=x onerror=pwned=1>\"'&\u2028\u202e\udcff\x1b"
SHOWN = "</script><script>pwned=1</script><img src=x onerror=pwned=1>\"'&\\u2028\\u202e\\xff\\x1b"

# Scripts of a page: the library's and ours.
SCRIPTS = 11


def page_of(recording: Path) -> Page:
    history = History()
    report = Replay(RecordingFiles(str(recording)), Options(observers=(history,))).run()
    return replay_page(report, history)


def small(**more: object) -> Page:
    page = Page("title", "subtitle", "verdict", good=True)
    for name, value in more.items():
        setattr(page, name, value)
    return page


def test_what_cannot_be_seen_is_an_escape() -> None:
    assert visible(EVIL) == SHOWN
    assert visible("/usr/lib/ä b.so") == "/usr/lib/ä b.so"


@given(st.text(st.characters(codec=None)))
def test_text_can_be_written_and_ends_no_element(text: str) -> None:
    str(shown(text)).encode("utf-8")
    found = as_json([text])
    found.encode("utf-8")
    assert not set(found) & {"<", ">", "&"}


def test_every_string_of_a_page_is_escaped() -> None:
    page = Page(EVIL, EVIL, EVIL, good=False)
    page.story = [Statement(CULPRIT, EVIL, (EVIL,))]
    page.facts = [KeyFigure(EVIL, EVIL, EVIL)]
    table = Table(EVIL, (EVIL, "n"), [(EVIL, EVIL)], numeric=(1,), note=EVIL)
    page.tables = [table]
    page.figures = [Figure(EVIL, {"text": EVIL}, EVIL)]
    page.parts = [Part(EVIL, [Figure(EVIL, {}, EVIL)], [table]), Part(EVIL)]
    page.notes = [EVIL]
    page.book.note(1, EVIL)
    text = render(page)
    text.encode("utf-8")
    assert text.count("<script>") == SCRIPTS
    assert text.count("<script") == text.count("</script>") == SCRIPTS + 1
    assert "<img" not in text
    assert "\u2028" not in text.split("<script>")[0]


def test_nothing_but_its_own_scripts_may_run_and_nothing_be_loaded() -> None:
    text = render(small())
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    rules = dict(rule.split(" ", 1) for rule in policy.group(1).split("; "))
    assert rules["default-src"] == "'none'"
    assert len(re.findall(r"'sha256-[\w+/]{43}='", rules["script-src"])) == SCRIPTS
    assert "unsafe" not in rules["script-src"]


def test_a_long_table_says_that_it_is_cut() -> None:
    rows = [(str(number),) for number in range(MAX_ROWS + 5)]
    text = render(small(tables=[Table("numbers", ("n",), rows, note="All of them.")]))
    assert text.count("<td") == MAX_ROWS
    assert f"All of them. The first {MAX_ROWS} of {MAX_ROWS + 5}." in text


def test_figures_of_a_replay(examples: Path) -> None:
    page = page_of(examples / "python-rlimit-as")
    facts = {fact.label: (fact.value, fact.note) for fact in page.facts}
    assert facts["memory calls"] == ("609", "609 predicted, 0 adopted, 0 differ")
    assert facts["VMAs at the end"] == ("103", "12 at the start")
    assert facts["most VMAs"] == ("104", "after line 377")
    assert facts["failed calls"] == ("4", "")
    causes, failed = page.parts[0].tables
    assert causes.rows[0][:6] == ("77", "0", "+77", "mmap", "325", "4")
    assert [row[:3] for row in failed.rows] == [
        ("363", "635", "ENOMEM"),
        ("365", "637", "ENOMEM"),
        ("366", "638", "ENOMEM"),
        ("368", "640", "ENOMEM"),
    ]
    assert page.good


def test_a_bare_log_without_times_or_maps_has_a_page(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        "mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000000000\n"
    )
    page = page_of(log)
    assert len(page.parts) == 1
    assert len(render(page)) > 1000


def test_hostile_names_in_a_recording(tmp_path: Path) -> None:
    folder = tmp_path / "<img src=x onerror=pwned=1>"
    folder.mkdir()
    name = '/srv/<script>pwned=1<\\/script>\\"\\342\\200\\250\\377'
    (folder / "calls.strace").write_text(
        f'1 openat(AT_FDCWD, "{name}", O_RDONLY) = 3\n'
        "1 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3, 0) = 0x7f0000000000\n"
        "1 munmap(0x7f0000000001, 1) = -1 EINVAL (Invalid argument)\n"
    )
    text = render(page_of(folder))
    text.encode("utf-8")
    assert text.count("<script") == SCRIPTS + 1
    assert "<img" not in text


# The chart's data.


def test_pieces_share_looks_and_calls() -> None:
    call = Call(1, "munmap", (0x1000, 0x1000, 0, 0, 0, 0), line=7, ret=0)
    look: Look = ("no access", "---p", "a\u2028b", "nh")
    pieces = [
        Piece(0x1000, 0x2000, 1, 3, look, call),
        Piece(0x3000, 0x4000, 1, 4, look, call),
        Piece(0x4000, 0x5000, 0, 4, ("heap", "rw-p", "[heap]", ""), None),
    ]
    cuts = [Boundary(0x4000, 1, 4, "flags rd wr"), Boundary(0x9000, 1, 2)]
    book = CallBook()
    chart = painted(pieces, cuts, 3, book)
    assert chart["looks"] == [
        [KINDS.index("no access"), "---p", "a\\u2028b", "nh"],
        [KINDS.index("heap"), "rw-p", "[heap]", ""],
    ]
    assert chart["edges"] == [1, 1, 1, 1, 1]
    assert chart["causes"] == [None, "", "flags rd wr"]
    assert chart["cuts"] == [[3, 1, 4, 2]]
    assert book.plain()["calls"] == [[0, 0, 0, 0], [7, 1, 0, 1, "1000"]]
    assert book.plain()["forms"] == ["", "munmap(\0, 4096) = 0"]
    assert chart["pieces"] == [
        [0, 1, 1, 3, 0, 1, 1],
        [2, 3, 1, 4, 0, 1, 1],
        [3, 4, 0, 4, 1, 0, 1],
    ]
    assert chart["end"] == 4


def sample(index: int, vmas: int) -> Sample:
    return Sample(index, index, 0.0, "", vmas, 0, 0, 0, 0, 0, 0)


@given(st.lists(st.integers(0, 100), min_size=1), st.integers(1, 20))
def test_thinning_keeps_the_peak_and_the_end(vmas: list[int], limit: int) -> None:
    samples = [sample(index, number) for index, number in enumerate(vmas)]
    found = thinned(samples, limit)
    assert len(found) <= limit + 1
    assert found[-1] is samples[-1]
    assert max(one.vmas for one in found) == max(vmas)
    assert [one.index for one in found] == sorted(one.index for one in found)


def test_too_many_pieces_become_fewer() -> None:
    look: Look = ("heap", "rw-p", "", "")
    pieces = [Piece(at << 13, (at << 13) + 4096, at, 7100, look, None) for at in range(70)]
    found, left_out = fewer(pieces, 10, 7099)
    assert (1 < len(found) <= 10, left_out) == (True, 0)
    assert sum(piece.count for piece in found) == 70
    assert fewer(pieces, 70, 7099) == (pieces, 0)


def test_pieces_that_have_nothing_in_common_are_left_out_the_shortest_first() -> None:
    look: Look = ("heap", "rw-p", "", "")
    pieces = [Piece(at << 30, (at << 30) + 4096, 0, 1 + at, look, None) for at in range(70)]
    found, left_out = fewer(pieces, 10, 71)
    assert left_out == 60
    assert [piece.last for piece in found] == list(range(61, 71))


def test_a_page_is_bounded(examples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = History()
    recording = RecordingFiles(str(examples / "dense-1"))
    report = Replay(recording, Options(observers=(history,))).run()
    whole = replay_page(report, history).parts[0].figures[0].data
    monkeypatch.setattr(view, "SAMPLES", 50)
    monkeypatch.setattr(view, "PIECES", 40)
    (figure,) = replay_page(report, history).parts[0].figures
    assert len(as_json(figure.data["map"])) < len(as_json(whole["map"])) / 5
    assert len(as_json(figure.data["samples"])) < len(as_json(whole["samples"])) / 5
    assert figure.note.startswith(
        "Each point stands for several calls: the one of them with the most VMAs. "
        "Too many ranges for a page: some are drawn together, and marked so. "
    )
    assert figure.note.endswith(" boundaries between VMAs, of short life, are left out.")


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (4096, "4 KiB"), (1536, "1.5 KiB"), (1 << 20, "1 MiB"), (5 << 50, "5 PiB")],
)
def test_sizes_as_people_read_them(number: int, text: str) -> None:
    assert size(number) == text


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("scenarios/thread-stacks/recording/", "thread-stacks/recording"),
        ("./calls.strace", "calls.strace"),
        ("/srv/log", "srv/log"),
        ("../r", "../r"),
        ("/", "/"),
    ],
)
def test_a_page_is_called_by_the_last_two_names_of_its_path(path: str, title: str) -> None:
    assert title_of(path) == title
