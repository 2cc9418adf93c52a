# SPDX-License-Identifier: GPL-2.0-or-later
"""What breaks on a kernel tree is named; sources are fetched again when there are newer ones."""

import subprocess
from pathlib import Path
from typing import Any

import check_trees
import pytest
import trees

PASSED = "linux (7.3.4): 802 cases, 692 passed, 0 failed, 110 left out, 1.00 s\n"
SAME = "  as recorded: 465 answers the same, 0 not; 10 maps the same, 0 not\n"
NO_DIFFERENCE = "tree:linux (7.3.4, as 7.3): no difference\n"


def vmalab(**answers: tuple[int, str]) -> Any:
    """Return what stands for the program: a status and a text for each verb."""
    usual = {"test": (0, PASSED), "replay": (0, SAME), "check": (0, NO_DIFFERENCE), **answers}

    def run(verb: str, *words: str) -> "subprocess.CompletedProcess[str]":
        status, text = usual[verb]
        said = (text, "") if status < 2 else ("", text)
        return subprocess.CompletedProcess([verb, *words], status, *said)

    return run


def judged(**answers: tuple[int, str]) -> list[str]:
    found: list[str] = check_trees.Judge("linux", 9, "build", vmalab(**answers)).broken
    return found


def test_nothing_breaks_where_all_is_the_same() -> None:
    assert judged() == []


@pytest.mark.parametrize(
    ("verb", "answer", "finding"),
    [
        ("test", (2, "vmalab: linux: make mm/vma.o: error: x\n"), "cases: vmalab: linux: make"),
        ("test", (1, "cases/brk.vma:7: brk/grow failed\n  why\n"), "1 cases fail: brk/grow"),
        (
            "replay",
            (1, SAME + "  as recorded: 4 answers the same, 1 not; 9 maps the same, 0 not\n"),
            "recorded programs differ: as recorded: 4 answers the same, 1 not; 9 maps",
        ),
        ("check", (1, "linux: differs; stream 5, 9 calls shrunk to 2:\n"), "9 calls shrunk to 2"),
        ("check", (0, "linux: generated stubs have answered 0: x (2)\n"), "stubs have answered"),
        ("check", (2, "vmalab: lost\n"), "random calls: vmalab: lost"),
    ],
    ids=["not built", "cases", "recordings", "random", "stubs", "no answer"],
)
def test_what_broke_is_named(verb: str, answer: tuple[int, str], finding: str) -> None:
    [found] = judged(**{verb: answer})
    assert finding in found


def test_a_tree_that_is_not_built_is_no_further_judged() -> None:
    broken = judged(test=(2, "vmalab: no\n"), check=(1, "shrunk to 1\n"))
    assert broken == ["cases: vmalab: no"]


def test_no_tree_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert check_trees.main([]) == 2
    assert "no tree" in capsys.readouterr().err


def test_a_report_says_what_broke(tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    words = ["--report", str(report), "--calls", "1", str(tmp_path / "none")]
    assert check_trees.main(words) == 1
    text = report.read_text()
    assert text.startswith("## Kernel trees: 1 trees, 1 findings")
    assert "- none: cases: vmalab:" in text
    assert "no such folder" in text


class FakeApt:
    """Repositories with two series; a download makes a package of one file."""

    def __init__(self, version: str = "7.3.4-1") -> None:
        self.version = version
        self.downloads = 0

    def run(self, tool: str, *words: str, cwd: Path | None = None) -> str:
        """Answer as apt does."""
        if words[0] == "search":
            return (
                "linux-source-7.10 - Linux kernel source\nlinux-source-5.10 - Linux\n"
                "linux-source-7.3 - Linux kernel source\nlinux-source - the default\n"
            )
        if words[0] == "policy":
            return f"linux-source-7.3:\n  Installed: (none)\n  Candidate: {self.version}\n"
        assert cwd is not None
        self.downloads += 1
        tree = cwd / "linux-source-7.3"
        tree.mkdir()
        (tree / "Makefile").write_text(self.version)
        (cwd / "usr/src").mkdir(parents=True)
        archive = str(cwd / "usr/src/linux-source-7.3.tar.xz")
        subprocess.run(["tar", "-C", str(cwd), "-cJf", archive, tree.name], check=True)
        subprocess.run(["rm", "-r", str(tree)], check=True)
        (cwd / "package/DEBIAN").mkdir(parents=True)
        (cwd / "usr").rename(cwd / "package/usr")
        fields = ("Package: x", "Version: 1", "Architecture: all", "Maintainer: y <y@z>")
        control = "\n".join((*fields, "Description: w", ""))
        (cwd / "package/DEBIAN/control").write_text(control)
        build = ["dpkg-deb", "-b", str(cwd / "package"), str(cwd / "one.deb")]
        subprocess.run(build, check=True, capture_output=True)
        return ""


def test_series_are_listed_as_far_as_they_can_be_tested() -> None:
    assert trees.offered(FakeApt()) == ["7.3", "7.10"]


def test_a_source_is_fetched_again_for_a_newer_package_alone(tmp_path: Path) -> None:
    apt = FakeApt()
    for _ in range(2):
        version = trees.newest_version(apt, "7.3")
        folder = trees.fetch(apt, "7.3", tmp_path, version)
    assert apt.downloads == 1
    apt.version = "7.3.5-1"
    trees.fetch(apt, "7.3", tmp_path, trees.newest_version(apt, "7.3"))
    assert (folder / "Makefile").read_text() == "7.3.5-1"


def test_a_source_that_is_there_stays_where_any_will_do(tmp_path: Path) -> None:
    apt = FakeApt()
    trees.fetch(apt, "7.3", tmp_path)
    trees.fetch(apt, "7.3", tmp_path)
    assert apt.downloads == 1


def test_a_series_that_is_not_there_says_so() -> None:
    with pytest.raises(trees.Problem, match=r"no linux-source-7\.9"):
        trees.newest_version(FakeApt("(none)"), "7.9")
