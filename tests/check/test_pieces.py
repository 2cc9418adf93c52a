# SPDX-License-Identifier: GPL-2.0-or-later
"""A stream during which a target does not answer is named, with what the target said last."""

import os
from collections.abc import Iterator

import pytest

from vmalab.check.piece import StreamPiece, run_piece, version_of
from vmalab.check.trial import Trial
from vmalab.targets.real.live import LiveTarget
from vmalab.targets.real.real import RealTarget
from vmalab.targets.real.target_errors import TargetError

pytestmark = pytest.mark.live


@pytest.fixture
def silent() -> Iterator[RealTarget]:
    """A target whose answers never come. Skips where this machine's kernel cannot be asked."""
    context = LiveTarget()
    try:
        target = context.__enter__()
    except TargetError as error:
        pytest.skip(str(error))
    target.executor.set_timeout(0.0)
    # Even with no time at all, an answer that is there at once would be read.
    nothing, held = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    answers, target.executor._read_fd = target.executor._read_fd, nothing
    yield target
    target.executor._read_fd = answers
    context.close()
    os.close(nothing)
    os.close(held)


@pytest.mark.parametrize(("words", "end"), [("", "for 0 s$"), ("Oops", "for 0 s: Oops$")])
def test_a_hang_is_told_with_its_stream(silent: RealTarget, words: str, end: str) -> None:
    silent.last_words = lambda: words
    trial = Trial(silent, version_of(silent))
    with pytest.raises(TargetError, match=f"^profile dense, stream 7: no answer {end}"):
        run_piece(StreamPiece("dense", 7, 10), trial)
