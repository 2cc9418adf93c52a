# SPDX-License-Identifier: GPL-2.0-or-later
"""A random stream with what a real kernel made of it, in a file: the model can be judged again.

A log of strace has no word for much that streams draw: calls by int 0x80 among others, memory that
is touched through a pointer, what the kernel is told for one stream. So this has a form of its own.
"""

import gzip
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from vmalab.calls.call import Call
from vmalab.calls.format import format_call
from vmalab.check.profiles import settings_for
from vmalab.check.streams import check_stream
from vmalab.check.trial import OverBound, Trial
from vmalab.check.twin import Twin
from vmalab.recording.format.meta import parse_meta
from vmalab.recording.readers.maps import parse_smaps
from vmalab.targets.model.versions import version_for
from vmalab.targets.real.answers import Map
from vmalab.targets.real.real import TID
from vmalab.targets.real.wire import OVER_BOUND, add_call, snapshot_words

# Calls between two maps.
PER_MAP: Final = 50


@dataclass(frozen=True, slots=True)
class KeptStream:
    """A stream. meta: meta.json. first: the first map. results: of the calls, None for an exit.

    maps: smaps and sizes as the executor shows them, by the number of calls before.
    """

    meta: dict[str, object]
    first: str
    calls: tuple[Call, ...]
    results: tuple[int | None, ...]
    maps: dict[int, str]

    def packed(self) -> bytes:
        """Return the file's content."""
        calls = [[call.name, call.abi, list(call.args), call.mem] for call in self.calls]
        whole = {
            "meta": self.meta,
            "first": self.first,
            "calls": calls,
            "results": self.results,
            "maps": self.maps,
        }
        return gzip.compress(json.dumps(whole).encode("ascii"), 9, mtime=0)


def unpacked(content: bytes) -> KeptStream:
    """Return the stream of a file that `packed` made. Preconditions: it is one of ours."""
    whole: dict[str, Any] = json.loads(gzip.decompress(content))
    calls = tuple(
        Call(
            TID,
            name,
            tuple(args),
            None if mem is None else {int(at): value for at, value in mem.items()},
            abi=abi,
        )
        for name, abi, args, mem in whole["calls"]
    )
    maps = {int(at): text for at, text in whole["maps"].items()}
    return KeptStream(whole["meta"], whole["first"], calls, tuple(whole["results"]), maps)


def keep(trial: Trial, profile: str, number: int, count: int) -> KeptStream:
    """Draw a stream, have the kernel alone carry it out, and return what it did."""
    settings = settings_for(profile, number, trial.target.abilities)
    # What was made before that counts.
    with suppress(OverBound):
        check_stream(trial, profile, number, count)
    beginning = trial.target.begin(settings)
    results: list[int | None] = []
    maps: dict[int, str] = {}
    for call in trial.made:
        words: list[int] = []
        add_call(words, call)
        answer = trial.target.executor.run(words)
        if call.name != "exit" and answer.results[:1] in ([], [OVER_BOUND]):
            break
        results.append(answer.results[0] if answer.results else None)
        if len(results) % PER_MAP == 0:
            maps[len(results)] = _shown(trial)
    maps[len(results)] = _shown(trial)
    trial.target.end()
    meta = beginning.meta_json(settings, {"profile": profile, "seed": number})
    calls = tuple(trial.made[: len(results)])
    return KeptStream(meta, beginning.first.smaps(), calls, tuple(results), maps)


def _shown(trial: Trial) -> str:
    answer = trial.target.executor.run(snapshot_words())
    return answer.maps[0].text.decode("utf-8", "surrogateescape")


def first_difference(stream: KeptStream, kernel: str | None = None) -> str:
    """Return where the model first does otherwise than the kernel did, "" for nowhere.

    kernel: behave as this version, None for the stream's own.
    """
    meta = parse_meta(json.dumps(stream.meta).encode(), "a kept stream")
    twin = Twin(meta, version_for(meta, kernel), parse_smaps(stream.first))
    try:
        return _first_difference(twin, stream.calls, stream.results, stream.maps)
    finally:
        twin.close()


def _first_difference(
    twin: Twin, calls: Sequence[Call], results: Sequence[int | None], maps: dict[int, str]
) -> str:
    for number, (call, result) in enumerate(zip(calls, results, strict=True), 1):
        predicted = twin.apply(call)
        if result is not None and predicted != result:
            return f"call {number}, {format_call(call)}: {result}, {predicted} predicted"
        if number in maps:
            found = twin.compare(Map(maps[number].encode("utf-8", "surrogateescape")))
            if found is not None:
                return f"the map after call {number}: {found.what} at {found.at:#x}"
    return ""
