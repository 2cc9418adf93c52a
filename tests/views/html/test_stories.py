# SPDX-License-Identifier: GPL-2.0-or-later
"""What pages say first: symptom, culprit and cure, for the manual's scenarios and for ENOMEM."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

pytest.importorskip("jinja2", reason="jinja2 is not installed (pip install 'vmalab[html]')")

from vmalab.api.recording import Recording
from vmalab.cli.enomem import enomem
from vmalab.cli.why import why
from vmalab.explain.blame.culprits import CALL
from vmalab.explain.blame.tally import StackTally
from vmalab.explain.history.history import History
from vmalab.explain.whatif.cures import FEW_CALLS, MAX_CALLS, cures_of
from vmalab.replay.replay import Options
from vmalab.views.html.blame import blame_page
from vmalab.views.html.story import NOT_TRIED, cure_of

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("scenario", "symptom", "culprit", "cure"),
    [
        (
            "allocator-unmap",
            "547 VMAs at the peak",
            "499 of 547 VMAs were made by churn: main, munmap",
            "MADV_FREE (jemalloc: retain:true): 49 VMAs at most instead of 547",
        ),
        (
            "thread-stacks",
            "424 VMAs at the peak",
            "399 of 424 VMAs were made by stacks: main, mprotect(PROT_READ|PROT_WRITE)",
            "Make guard pages by madvise(MADV_GUARD_INSTALL), which takes no VMA (Linux 6.13): "
            "25 VMAs at the end instead of 424",
        ),
        (
            "thp-advice",
            "233 VMAs at the peak",
            "106 of 233 VMAs were made by flip: advise, madvise(MADV_NOHUGEPAGE)",
            "give the whole heap the same advice: 24 VMAs at most instead of 233",
        ),
        (
            "mremap-pieces",
            "1,022 VMAs at the peak",
            "VMAs were made by compact: main, mremap",
            "merges with nothing: 24 VMAs at most instead of 1,022",
        ),
        (
            "fork-write",
            "623 VMAs at the peak",
            "599 of 623 VMAs were made by prefork: take, mprotect(PROT_READ|PROT_WRITE)",
            "the pieces differ only in permissions or flags: 312 VMAs at most instead of 623",
        ),
    ],
)
def test_a_scenario_has_symptom_culprit_and_cure(
    scenario: str, symptom: str, culprit: str, cure: str
) -> None:
    recording = Recording.open(str(ROOT / "scenarios" / scenario / "recording"))
    history, tally = History(), StackTally()
    found = recording.blame(observers=(history,), tally=tally)
    history.finish()
    shares = found.report.shares[CALL]
    cures = cures_of(recording.files, Options(), found.report.image, shares, 1)
    first, second, third = blame_page(found, history, tally, cures).story
    assert first.text == symptom
    assert culprit in second.text
    assert cure in third.text
    assert third.details[0].startswith(("Measured: vmalab whatif -", "Counted by the conditions"))
    assert second.call > 0


def test_a_worker_after_a_fork_has_a_cure_of_its_own() -> None:
    recording = Recording.open(str(ROOT / "scenarios/fork-write/recording"))
    found = recording.blame(image="9423.0", at="end")
    (cure,) = cures_of(recording.files, Options(), "9423.0", found.report.shares[CALL], 1)
    assert cure.advice.startswith("Take neighbouring memory into use on one side of the fork")
    assert (cure.end, cure.other_end, cure.options) == (623, 323, "")


def test_nothing_is_tried_on_a_recording_that_is_too_long() -> None:
    recording = Recording.open(str(ROOT / "scenarios/thread-stacks/recording"))
    assert cures_of(recording.files, Options(), "9541.1", (), MAX_CALLS + 1) == []
    assert cure_of([], MAX_CALLS + 1).text == NOT_TRIED


def test_of_a_long_recording_the_likeliest_change_is_tried() -> None:
    recording = Recording.open(str(ROOT / "scenarios/thp-advice/recording"))
    shares = recording.blame().report.shares[CALL]
    (cure,) = cures_of(recording.files, Options(), "9496.1", shares, FEW_CALLS + 1)
    assert (cure.peak, cure.other_peak) == (233, 24)


def page_of(command: object, words: list[str], file: Path) -> tuple[Result, str]:
    done = CliRunner().invoke(command, [*words, "--html", str(file)])  # type: ignore[arg-type]
    return done, file.read_text("utf-8")


def test_enomem_says_which_limit_who_and_what_figure(tmp_path: Path, examples: Path) -> None:
    words = [str(examples / "python-rlimit-as")]
    done, text = page_of(enomem, words, tmp_path / "page.html")
    assert done.exit_code == 1
    head = text.partition("<script")[0]
    assert "RLIMIT_AS: the address space would be 256.1 MiB, RLIMIT_AS is 256 MiB" in head
    assert "244 MiB of 255 MiB mapped are of mmap(PROT_READ|PROT_WRITE" in head
    assert "RLIMIT_AS of 671088640 bytes (ulimit -v 655360): room for what follows" in head
    assert "The least that lets this call pass: RLIMIT_AS of 268550144 bytes" in head


def test_enomem_of_a_recording_in_which_nothing_failed(tmp_path: Path) -> None:
    words = [str(ROOT / "scenarios/thread-stacks/recording")]
    done, text = page_of(enomem, words, tmp_path / "page.html")
    assert done.exit_code == 0
    assert "424 VMAs at the peak; no call failed." in text
    assert "Nearest to its limit: RLIMIT_STACK" in text
    assert "25 VMAs at the end instead of 424" in text


def test_enomem_has_no_page_of_a_live_process(tmp_path: Path) -> None:
    done = CliRunner().invoke(enomem, ["1", "--html", str(tmp_path / "page.html")])
    assert done.exit_code == 2
    assert "--html is for recordings" in done.output


def test_why_shows_the_conditions_at_each_boundary(tmp_path: Path) -> None:
    words = [str(ROOT / "scenarios/thp-advice/recording")]
    done, text = page_of(why, words, tmp_path / "page.html")
    assert done.exit_code == 0
    assert "208 boundaries: flags hg nh" in text
    assert "Without that, 25 VMAs would be left: 208 fewer" in text
    assert '"causes":[null,"","flags' in text


def test_why_names_no_cure_for_different_files(tmp_path: Path, examples: Path) -> None:
    words = [str(examples / "sqlite3"), "--at", "end"]
    _, text = page_of(why, words, tmp_path / "page.html")
    assert "Nothing that a program could easily avoid" in text


def test_a_cause_is_looked_for_where_memory_has_no_file(tmp_path: Path) -> None:
    start = 0x7F0000000000
    lines = ["7e0000000000-7e0000001000 r--p 00000000 fe:00 9 /bin/x"]
    lines.append("7e0000001000-7e0000002000 rw-p 00001000 fe:00 9 /bin/x")
    for at in range(40):
        perms = "rw-p" if at % 2 else "r--p"
        first = start + (at << 12)
        lines.append(f"{first:x}-{first + 4096:x} {perms} 00000000 00:00 0")
    maps = tmp_path / "maps"
    maps.write_text("\n".join(lines) + "\n")
    _, text = page_of(why, [str(maps)], tmp_path / "page.html")
    assert "for example at 7f0000001000" in text
    assert " VMAs would be left: 40 fewer at most" in text


def test_why_of_a_saved_map_has_a_page(tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    maps.write_text(
        "7f0000000000-7f0000001000 r--p 00000000 00:00 0 \n"
        "7f0000001000-7f0000002000 rw-p 00000000 00:00 0 [anon:<script>]\n"
    )
    done, text = page_of(why, [str(maps)], tmp_path / "page.html")
    assert done.exit_code == 0
    assert "2 VMAs, of which 1 touch the one before" in text
    assert "[anon:&lt;script&gt;]" in text
