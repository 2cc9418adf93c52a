# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds the features of a kernel version that make it answer otherwise than another version.

A call is tried in a copy of the process, just before the replay carries it out: as the version
would with some features turned over. So one replay explains all the calls of a version. What came
about by earlier calls, and maps that belong to no call, take replays of their own.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from vmalab.calls.call import Call
from vmalab.calls.format import format_call
from vmalab.linux.types.mm_types import Mm
from vmalab.recording.opening import open_recording
from vmalab.replay.copied_process import in_a_copy
from vmalab.replay.observer import Observer
from vmalab.replay.process_image import ImageState
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import Difference
from vmalab.replay.usable import check_usable

# The call's number among the memory calls, its line, its image, its text.
Place = tuple[int, int, str, str]
# The number, where a map differs that belongs to no call.
NO_CALL: Final = -1


def differences(path: str, options: Options) -> dict[Place, Difference]:
    """Replay a recording; return its differences by place. Errors: ReadError, UsageError."""
    report = Replay(open_recording(path), options).run()
    check_usable(report)
    return {
        (each.call_index, each.line, each.image, each.call): each for each in report.differences
    }


def least(names: tuple[str, ...], cured: Callable[[Sequence[str]], bool]) -> tuple[str, ...]:
    """Return some of these names that cure together, and do so no more without any one of them.

    Preconditions: all of them cure.
    """
    size = len(names) // 2
    while size:
        at = 0
        while at < len(names):
            rest = names[:at] + names[at + size :]
            if rest and cured(rest):
                names = rest
            else:
                at += size
        size //= 2
    return names


class FeatureTrials:
    """Explains where one version differs from a recording.

    features: those that it has otherwise than a version which agrees, with what that one has.
    """

    def __init__(self, path: str, version: str, features: Mapping[str, bool]) -> None:
        self._path = path
        self._version = version
        self._features = features

    def explain(self, wrong: set[Place]) -> dict[Place, tuple[str, ...]]:
        """Return the features behind each place, which cure it together; none: not found."""
        reasons = self._in_place({place for place in wrong if place[0] != NO_CALL})
        found = {name for names in reasons.values() for name in names}
        known = [name for name in self._features if name in found]
        for names in (known, list(self._features)):
            if names:
                self._by_replays(wrong - reasons.keys(), names, reasons)
        return reasons

    def _in_place(self, wrong: set[Place]) -> dict[Place, tuple[str, ...]]:
        """Try each call where it stands."""
        if not wrong:
            return {}
        trier = _InPlace(wrong, self._features)
        last = max(line for _, line, _, _ in wrong)
        options = Options(kernel=self._version, until=last, observers=(trier,))
        trier.replay = Replay(open_recording(self._path), options)
        trier.replay.run()
        return trier.reasons

    def _by_replays(
        self, wrong: set[Place], names: Sequence[str], reasons: dict[Place, tuple[str, ...]]
    ) -> None:
        """Replay with features turned over from the start: all, then each half of what cures."""
        if not wrong:
            return
        turned = {name: self._features[name] for name in names}
        lines = {line for _, line, _, _ in wrong}
        # Line 0 is that of a last map.
        until = 0 if 0 in lines else max(lines) + 1
        options = Options(kernel=self._version, features=turned, until=until)
        cured = wrong - differences(self._path, options).keys()
        if len(names) == 1:
            reasons.update(dict.fromkeys(cured, (names[0],)))
            return
        middle = len(names) // 2
        for half in (names[:middle], names[middle:]):
            self._by_replays(cured - reasons.keys(), half, reasons)
        if len(names) == 2:
            reasons.update(dict.fromkeys(cured - reasons.keys(), tuple(names)))


class _InPlace(Observer):
    """Tries calls in copies of the process. reasons: the features that cure a place together."""

    def __init__(self, wrong: set[Place], features: Mapping[str, bool]) -> None:
        self.replay: Replay | None = None
        self.reasons: dict[Place, tuple[str, ...]] = {}
        self._wrong = {place[1:]: place for place in wrong}
        self._lines = {line for _, line, _, _ in wrong}
        self._features = features
        # Those that have cured calls, by the call's name.
        self._known: dict[str, list[tuple[str, ...]]] = {}
        self._in_a_copy = False

    def before(self, state: ImageState, mm: Mm, call: Call) -> None:
        """Try a call whose answer is known to be wrong."""
        if self._in_a_copy or call.line not in self._lines:
            return
        place = self._wrong.get((call.line, state.name, format_call(call)))
        if place is None:
            return
        names = self._cure(call.name, partial(self._is_cured, state, call))
        if names:
            self.reasons[place] = names

    def _cure(self, name: str, cured: Callable[[Sequence[str]], bool]) -> tuple[str, ...]:
        """Return the features that cure a call of this name together, () where there are none."""
        known = self._known.setdefault(name, [])
        found = next((names for names in known if cured(names)), None)
        if found is not None:
            return found
        everything = tuple(self._features)
        if not cured(everything):
            return ()
        names = least(everything, cured)
        # Fewer features first: more of them would cure, too, what one has caused.
        known.append(names)
        known.sort(key=len)
        return names

    def _is_cured(self, state: ImageState, call: Call, names: Sequence[str]) -> bool:
        """Return whether a call is as recorded with some features turned over."""
        return in_a_copy(partial(self._carry_out, state, call, names)) or False

    def _carry_out(self, state: ImageState, call: Call, names: Sequence[str]) -> bool:
        """Carry out the call as the replay will; return whether nothing differs."""
        assert self.replay is not None
        self._in_a_copy = True
        for name in names:
            setattr(self.replay.target.machine.config.features, name, self._features[name])
        found = self.replay.report.differences
        before = len(found)
        self.replay.judge.call(state, call)
        return len(found) == before
