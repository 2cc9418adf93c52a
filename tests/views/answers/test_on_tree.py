# SPDX-License-Identifier: GPL-2.0-or-later
"""What programs get of a recorded program on a tree."""

import json
from collections import Counter

from vmalab.explain.on_tree.findings import ImageOnTree, OnTree, OtherAnswer
from vmalab.views.answers.answer import answer_json
from vmalab.views.answers.on_tree import what_if_on_tree_answer


def test_programs_get_all_of_it() -> None:
    found = OnTree("linux", "7.3.4", calls=12, made=10, left=Counter({"mbind: no NUMA": 2}))
    found.images = [ImageOnTree("7.1", 20, 26, 18, 22, 10, 4)]
    found.answers = [OtherAnswer(5, "7.1", "munmap(1, 2)", "0", "-1 ENOMEM")]
    said = json.loads(answer_json("whatif", what_if_on_tree_answer("java", [found])))
    (tree,) = said["trees"]
    assert tree["left_out"] == {"mbind: no NUMA": 2}
    assert tree["answers"][0]["tree"] == "-1 ENOMEM"
    assert tree["images"] == [
        {
            "image": "7.1",
            "calls": 10,
            "calls_after_which_vmas_differ": 4,
            "recorded": {"vmas_peak": 20, "vmas_end": 18},
            "tree": {"vmas_peak": 26, "vmas_end": 22},
        }
    ]
