# SPDX-License-Identifier: GPL-2.0-or-later
"""What a key forbids is written to a register, not by a call: adopted once, then predicted."""

from pathlib import Path

import pytest

from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay

# mm/madvise.c, can_madvise_modify(): sealed anonymous memory that cannot be written is kept.
LOG = """\
5 mmap(NULL, 12288, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f1200000000
5 pkey_alloc(0, 0) = 1
5 pkey_mprotect(0x7f1200000000, 12288, PROT_READ|PROT_WRITE, 1) = 0
5 mseal(0x7f1200000000, 12288, 0) = 0
"""
DISCARD = "5 madvise(0x7f1200000000, 12288, MADV_DONTNEED) = {}\n"
POPULATE = "5 madvise(0x7f1200000000, 12288, MADV_POPULATE_{}) = {}\n"
REFUSED = "-1 EPERM (Operation not permitted)"
INVALID = "-1 EINVAL (Invalid argument)"


@pytest.mark.parametrize(
    ("rest", "adopted"),
    [
        (DISCARD.format(0) * 2, 0),
        (DISCARD.format(0) + DISCARD.format(REFUSED) * 3, 1),
        (DISCARD.format(REFUSED) * 2 + DISCARD.format(0) * 2, 2),
        (POPULATE.format("WRITE", INVALID) * 2 + POPULATE.format("READ", 0), 1),
        (POPULATE.format("READ", INVALID) + DISCARD.format(REFUSED), 1),
    ],
)
def test_rights_are_learnt(tmp_path: Path, rest: str, adopted: int) -> None:
    log = tmp_path / "calls.strace"
    log.write_text(LOG + rest)
    total = Replay(RecordingFiles(str(log)), Options()).run().total
    assert total.differ == 0
    assert total.adopted_reasons.get("protection keys", 0) == adopted


def test_memory_without_a_key_has_none_to_blame(tmp_path: Path) -> None:
    log = tmp_path / "calls.strace"
    lines = [line for line in LOG.splitlines(keepends=True) if "pkey_mprotect" not in line]
    log.write_text("".join(lines) + DISCARD.format(REFUSED))
    total = Replay(RecordingFiles(str(log)), Options()).run().total
    assert "protection keys" not in total.adopted_reasons
