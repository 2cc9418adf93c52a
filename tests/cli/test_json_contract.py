# SPDX-License-Identifier: GPL-2.0-or-later
"""What each verb prints with --json is as its schema says, and holds nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from vmalab.cli.main import vmalab
from vmalab.views.answers.answer import ANSWERS
from vmalab.views.answers.schema import schema_of

# A log in which a call differs, one fails, and kernel versions part.
LOG = """50 mmap(0x10000000, 8192, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x10000000
50 madvise(0x10000000, 4096, 0x66) = 0
50 munmap(0x10000001, 4096) = -1 EINVAL (Invalid argument)
50 mprotect(0x10000000, 4096, PROT_READ|PROT_WRITE) = -1 ENOMEM (Cannot allocate memory)
50 mremap(0x10000000, 4096, 8589934592, MREMAP_FIXED) = -1 EINVAL (Invalid argument)
"""
EXAMPLE = "examples/sqlite3"
# What is run for each verb: after `vmalab VERB --json`.
RUNS = {
    "replay": ["{log}", f"--maps {EXAMPLE}"],
    "why": [f"{EXAMPLE} --at end 7f", f"{EXAMPLE} --at end", "{pid}"],
    "blame": [f"{EXAMPLE} --at end --addr 400000"],
    "diff": ["{log} {log}"],
    "enomem": ["{log}", "{pid}"],
    "fleet": ["report --jobs 1 --rlimit AS=1G examples"],
    "place": [f"{EXAMPLE} 2M", "{pid} 1T --hint 1000"],
    "whatif": ["--drop mprotect {log}"],
    "diff-kernels": ["--kernels 6.1,7.3 {log}"],
    "doctor": [""],
    "top": ["--number 3", "{pid}"],
    "mutants": ["mprotect_passes_hole_at_end"],
    "test": ["merge_new", "--sweep merge_new"],
}
# The same, in a process of its own: these end theirs.
APART = {"record": ["-o {tmp}/recorded -- /bin/true"], "snapshot": ["-o {tmp}/snapshot {pid}"]}
# Compared with the kernel that runs the tests.
LIVE = {"check": ["--calls 200 --seed 1"], "bench": ["dense --calls 100 --pairs 1"]}


def strict(schema: Any) -> Any:
    """Return a schema that allows no other keys than those it names."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: strict(part) for key, part in schema.items()}
    if isinstance(found.get("properties"), dict) and found.get("type") == "object":
        found["additionalProperties"] = False
    return found


def holds(verb: str, text: str) -> None:
    """Fail with the place of the first field that is not as the schema says."""
    validator = jsonschema.Draft202012Validator(strict(schema_of(verb)))
    lines = text.splitlines()
    assert lines
    for line in lines:
        validator.validate(json.loads(line))


def runs(of: dict[str, list[str]]) -> Any:
    """Return the parameters of a test: each run of each verb."""
    return pytest.mark.parametrize(
        ("verb", "words"),
        [pytest.param(verb, text, id=f"{verb}-{text}") for verb in of for text in of[verb]],
    )


def words_of(text: str, folder: Path) -> list[str]:
    """Return the words of a run, with what a test has made for it."""
    log = folder / "log"
    log.write_text(LOG)
    return text.format(tmp=folder, log=log, pid=os.getpid()).split()


def test_there_is_a_run_of_each_verb() -> None:
    assert RUNS.keys() | APART.keys() | LIVE.keys() == ANSWERS.keys()


@runs(RUNS)
def test_output_is_as_the_schema_says(verb: str, words: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(vmalab, [verb, "--json", *words_of(words, tmp_path)])
    assert done.exit_code in (0, 1), done.stderr
    holds(verb, done.stdout)


@runs(APART)
def test_what_was_recorded_is_as_the_schema_says(verb: str, words: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vmalab", verb, "--json", *words_of(words, tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    holds(verb, done.stdout or done.stderr)


@pytest.mark.live
@pytest.mark.usefixtures("live")
@runs(LIVE)
def test_output_beside_a_live_kernel_is_as_the_schema_says(
    verb: str, words: str, tmp_path: Path
) -> None:
    done = CliRunner().invoke(vmalab, [verb, "--json", *words_of(words, tmp_path)])
    assert done.exit_code == 0, done.stderr
    holds(verb, done.stdout)
