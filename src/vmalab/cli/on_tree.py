# SPDX-License-Identifier: GPL-2.0-or-later
"""`--tree` of replay and whatif: a recording's calls made by a kernel tree's own code."""

from collections.abc import Sequence

from vmalab.calls.errors import VmalabError
from vmalab.explain.on_tree.on_tree import follow_on_trees, started
from vmalab.recording.format.recording import RecordingFiles
from vmalab.recording.format.stated import Stated
from vmalab.recording.opening import open_recording
from vmalab.recording.search import recordings_in
from vmalab.replay.replay import Options
from vmalab.replay.usable import check_usable
from vmalab.targets.tree.base import open_base
from vmalab.targets.tree.tree import TreeTarget
from vmalab.views.answers.answer import answer_json
from vmalab.views.answers.on_tree import on_tree_answer, what_if_on_tree_answer
from vmalab.views.on_tree import print_counts, print_on_tree
from vmalab.views.output import complain, say
from vmalab.views.progress import Progress


def replay_on_tree(
    paths: Sequence[str], tree: str, stated: Stated, options: Options, as_json: bool
) -> int:
    """Make the calls of recordings on a tree, and print what differs: the exit status."""
    target = TreeTarget(tree)
    worst = 0
    try:
        with started([target]), Progress() as progress:
            for path in (path for top in paths for path in recordings_in(top)):
                progress.begin(path)
                try:
                    recording = open_recording(path, stated)
                    (found,), report = follow_on_trees(recording, [target], options)
                    check_usable(report)
                except VmalabError as error:
                    progress.clear()
                    complain(str(error))
                    worst = 2
                    continue
                progress.clear()
                for remark in found.remarks:
                    complain(f"{tree}: {remark}")
                if as_json:
                    say(answer_json("replay", on_tree_answer(path, found)))
                else:
                    print_on_tree(path, found)
                worst = max(worst, int(found.differs))
                if options.stop and worst:
                    break
    except VmalabError as error:
        complain(str(error))
        return 2
    return worst


def what_if_on_tree(
    recording: RecordingFiles,
    tree: str,
    base: str | None,
    options: Options,
    *,
    everything: bool,
    as_json: bool,
) -> int:
    """Print how many VMAs a recorded program would have on a tree: the exit status.

    base: a revision of its repository, another tree's folder, or `last`. Errors: VmalabError.
    """
    targets = [TreeTarget(tree)]
    if base is not None:
        targets.append(open_base(tree, base))
    with started(targets):
        found, report = follow_on_trees(recording, targets, options)
    for note in report.notes:
        complain(f"{recording.path}: {note}")
    for one in found:
        for remark in one.remarks:
            complain(f"{one.tree}: {remark}")
    if as_json:
        say(answer_json("whatif", what_if_on_tree_answer(recording.path, found)))
    else:
        print_on_tree(recording.path, found[0])
        print_counts(found, everything=everything)
    return 1 if found[0].answers_differ or found[0].died else 0
