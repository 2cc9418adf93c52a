# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab whatif`: a recording as it was and with changes, side by side."""

import click

from vmalab.calls.errors import UsageError
from vmalab.cli.completion import kernels
from vmalab.cli.in_json import answers_in_json
from vmalab.cli.stated import states_machine
from vmalab.explain.whatif.changes import (
    THP,
    Changes,
    parse_pattern,
)
from vmalab.explain.whatif.comparison import what_if
from vmalab.recording.format.stated import Stated, parse_rlimit, parse_setting
from vmalab.recording.search import one_recording
from vmalab.replay.replay import Options
from vmalab.targets.model.model import SeamMaker
from vmalab.targets.model.versions import check_version
from vmalab.views.answers.answer import answer_json
from vmalab.views.answers.whatif import whatif_answer
from vmalab.views.output import complain, say
from vmalab.views.progress import Progress
from vmalab.views.whatif import print_whatif


def _rules(file: str | None) -> SeamMaker | None:
    """Return the rules of a user's file, None without one. Errors: VmalabError."""
    if file is None:
        return None
    from vmalab.testing.seams.rules import load_seam

    return load_seam(file)


@click.command()
@click.argument("path", metavar="PATH", type=click.Path())
@click.option(
    "--drop",
    metavar="CALL",
    multiple=True,
    help="Leave calls out: 'madvise(MADV_NOHUGEPAGE)' or 'madvise'.",
)
@click.option(
    "--set", "settings", metavar="NAME=N", multiple=True, help="A setting: vm.max_map_count=262144."
)
@click.option("--rlimit", metavar="NAME=BYTES", multiple=True, help="A limit: AS=2G, STACK=8M.")
@click.option("--kernel", metavar="X.Y", shell_complete=kernels, help="Another kernel version.")
@click.option(
    "--guard-regions", "guards", is_flag=True, help="Guard regions in the place of guard pages."
)
@click.option("--thp", type=click.Choice(THP), help="Transparent huge pages.")
@click.option("--no-names", is_flag=True, help="Do not name anonymous memory.")
@click.option("--rule", metavar="FILE.py", help="The rules of a file: FILE.py, or FILE.py:CLASS.")
@click.option("--tree", metavar="PATH", help="The code of a kernel tree.")
@click.option("--base", metavar="REV", help="Of --tree: a revision, another tree, or `last`.")
@states_machine("was-")
@click.option("--all", "everything", is_flag=True, help="Show every image and call that is kept.")
@click.option("--html", metavar="FILE", help="Write a page with charts.")
@answers_in_json("whatif")
@click.pass_context
def whatif(
    ctx: click.Context,
    path: str,
    drop: tuple[str, ...],
    settings: tuple[str, ...],
    rlimit: tuple[str, ...],
    kernel: str | None,
    guards: bool,
    thp: str | None,
    no_names: bool,
    rule: str | None,
    tree: str | None,
    base: str | None,
    everything: bool,
    html: str | None,
    as_json: bool,
    stated: Stated,
) -> None:
    """Run a recording with changes, and compare with how it was.

    PATH is a recording. Compared are the number of VMAs, memory, page tables, and which calls fail.
    A recording does not show how the program would have reacted: calls for which that matters are
    counted as doubtful. Exit status: 0, or 1 when calls fail that did not, 2 when the input
    cannot be used.
    """
    if kernel is not None:
        check_version(kernel)
    if html is not None:
        # A tenth of the time that all takes to start; as rules are, and trees.
        from vmalab.explain.blame.watcher import Blame
        from vmalab.explain.whatif.second_origins import SecondOrigins
        from vmalab.views.html.document import check_library, write_page
        from vmalab.views.html.whatif import whatif_page

        check_library()
    changes = Changes(
        drops=tuple(parse_pattern(text) for text in drop),
        sysctl=dict(parse_setting(text) for text in settings),
        rlimits=dict(parse_rlimit(text) for text in rlimit),
        kernel=kernel,
        guards=guards,
        thp=thp,
        no_names=no_names,
        seam=_rules(rule),
    )
    recording = one_recording(path, stated)
    if tree is not None:
        if changes != Changes(kernel=kernel) or html is not None:
            raise UsageError("--tree goes with --base, --kernel, --all and --json only")
        from vmalab.cli.on_tree import what_if_on_tree

        options = Options(kernel=kernel)
        status = what_if_on_tree(
            recording, tree, base, options, everything=everything, as_json=as_json
        )
        ctx.exit(status)
    if base is not None:
        raise UsageError("--base goes with --tree")
    with Progress() as progress:
        progress.begin(recording.path, recording.share_read)
        stacks = None if html is None else (Blame(), SecondOrigins())
        options = Options(progress=progress.advance, observers=() if stacks is None else stacks[:1])
        found, report = what_if(recording, changes, options, None if stacks is None else stacks[1])
    for note in report.notes:
        complain(f"{recording.path}: {note}")
    if report.total.differ:
        differ = f"{report.total.differ} calls differ from the recording; see vmalab replay"
        complain(f"{recording.path}: {differ}")
    if html is not None:
        write_page(html, whatif_page(found, changes, recording.frames(), stacks))
    if as_json:
        say(answer_json("whatif", whatif_answer(found, changes)))
    else:
        print_whatif(found, changes, everything=everything)
    ctx.exit(1 if found.fails else 0)
