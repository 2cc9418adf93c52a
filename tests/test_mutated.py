# SPDX-License-Identifier: GPL-2.0-or-later
"""A mutant is loaded from memory: its lines run and are shown, and the sources stay as they are."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import vmalab
from vmalab.mutated import mutated_sources, names, read_diff
from vmalab.patch import PatchError

PACKAGE = Path(vmalab.__file__).parent
NAME = "brk_limit_is_strict"
CHANGED = "if mm.map_count >= allowed:"


def run(code: str, mutant: str = NAME) -> subprocess.CompletedProcess[str]:
    """Run Python code with a mutant's engine, "": with the usual one from its sources."""
    environment = {**os.environ, "VMALAB_MUTANT": mutant, "VMALAB_INTERPRETED": "1"}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", names())
def test_each_diff_applies_to_the_engine_alone(name: str) -> None:
    sources = mutated_sources(name)
    assert sources
    for path, text in sources.items():
        assert Path(path).relative_to(PACKAGE / "linux")
        assert text != Path(path).read_text("utf-8")
        compile(text, path, "exec")


def test_a_name_that_there_is_not_is_refused_with_those_there_are() -> None:
    with pytest.raises(PatchError, match=r"no such mutant: '\.\./x' \(there are .*brk_limit_is"):
        read_diff("../x")


def test_an_unknown_mutant_in_the_environment_ends_with_a_message() -> None:
    done = run("import vmalab", "no_such_bug")
    assert done.returncode == 2
    assert done.stderr.startswith("vmalab: VMALAB_MUTANT: no such mutant: 'no_such_bug'")
    assert len(done.stderr.splitlines()) == 1


def test_all_of_the_package_runs_from_its_sources() -> None:
    code = (
        "import sys, vmalab, vmalab.check.campaign, vmalab.testing\n"
        "files = [m.__file__ for n, m in sys.modules.items() if n.startswith('vmalab')]\n"
        "print(vmalab.COMPILED, len(files) > 100, {f[-3:] for f in files})"
    )
    assert run(code).stdout == "False True {'.py'}\n"


def test_nothing_of_a_mutant_is_kept_on_disk() -> None:
    source = PACKAGE / "linux/mm/vma/brk.py"
    before = source.read_bytes()
    run_case = "from vmalab.testing.mutants.run_mutant import failures"
    code = f"{run_case}; print(*failures(['brk/limit_reached']))"
    assert run(code).stdout == "brk/limit_reached\n"
    assert source.read_bytes() == before
    # Nor as bytecode, which an engine that is run from its sources would take.
    assert run(code, "").stdout == "\n"


@pytest.mark.parametrize("how", ["uncaught", "caught", "asked for"])
def test_the_lines_that_run_are_the_lines_that_are_shown(how: str) -> None:
    fails = "brk.do_brk_flags(Mm, None, None, 0, 4096, 0)"
    code = f"""
import inspect, traceback
from vmalab.linux.mm.vma import brk
class Mm:
    def_flags, map_count = 0, 1
    class config:
        max_map_count = "many"
brk.ksm_is_early = lambda *arguments: False
brk.may_expand_vm = lambda *arguments: True
if {how == "asked for"}:
    print(inspect.getsource(brk.do_brk_flags))
elif {how == "uncaught"}:
    {fails}
else:
    try:
        {fails}
    except TypeError:
        traceback.print_exc()
"""
    done = run(code)
    assert CHANGED in done.stdout + done.stderr
