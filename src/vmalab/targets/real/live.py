# SPDX-License-Identifier: GPL-2.0-or-later
"""This machine's own kernel as a target: the executor as a child process."""

from pathlib import Path
from types import TracebackType
from typing import Final, final

from vmalab.targets.real.build import executor_path
from vmalab.targets.real.child import Child
from vmalab.targets.real.real import RealTarget
from vmalab.targets.real.target_errors import ConfinementError, TargetError

_ADVICE: Final = (
    "without that no call is made on this machine. Root can be confined wherever it may make "
    "namespaces, another user where user namespaces are allowed: see the sysctls "
    "user.max_user_namespaces, kernel.unprivileged_userns_clone and "
    "kernel.apparmor_restrict_unprivileged_userns; in a container, its seccomp profile and masked "
    "/proc. --target qemu:IMAGE needs none of it"
)


def _read(path: str) -> str | None:
    """Return a small file that the executor cannot see; None when it cannot be read."""
    try:
        return Path(path).read_text("utf-8", "surrogateescape")
    except OSError:
        return None


@final
class LiveTarget:
    """A context in which this machine's kernel carries out calls; `target` is it.

    share: how many of them there are at a time.
    Errors on entering: TargetError when the executor cannot be built, started or confined.
    """

    def __init__(self, share: int = 1) -> None:
        self._share = share
        self._child: Child | None = None

    @property
    def pid(self) -> int:
        """The process that this one began; 0 when there is none."""
        return 0 if self._child is None else self._child.pid

    def __enter__(self) -> RealTarget:
        path = executor_path()
        self._child = Child(path)
        try:
            return RealTarget("live", self._child.executor(), self._share, _read)
        except ConfinementError as error:
            self.close()
            raise TargetError(f"{error}; {_ADVICE}") from None
        except BaseException:
            self.close()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the executor with its workers, and remove what it left."""
        child, self._child = self._child, None
        if child is not None:
            child.close()
