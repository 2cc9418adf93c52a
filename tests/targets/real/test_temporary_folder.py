# SPDX-License-Identifier: GPL-2.0-or-later
"""What a killed process has left is removed at the next start, and nothing else ever is."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from vmalab.parent import leave_in_order
from vmalab.targets.real.temporary_folder import OwnFolder, clear_dead


def left_by_killed_process(parent: Path) -> Path:
    """A folder whose process was killed while it held it."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        folder = OwnFolder(str(parent), "guest")
        (Path(folder.path) / "ram").write_bytes(b"x" * 100)
        os.write(write, folder.path.encode())
        signal.pause()
        os._exit(0)
    os.close(write)
    path = Path(os.read(read, 4096).decode())
    os.close(read)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return path


def test_folder_goes_when_it_is_closed(tmp_path: Path) -> None:
    folder = OwnFolder(str(tmp_path), "guest")
    (Path(folder.path) / "inner").mkdir()
    folder.close()
    folder.close()
    assert list(tmp_path.iterdir()) == []


def test_next_folder_removes_what_a_killed_process_left(tmp_path: Path) -> None:
    left = left_by_killed_process(tmp_path)
    assert (left / "ram").exists()
    folder = OwnFolder(str(tmp_path), "build")
    assert list(tmp_path.iterdir()) == [Path(folder.path)]
    folder.close()


def test_folder_in_use_stays(tmp_path: Path) -> None:
    folder = OwnFolder(str(tmp_path), "guest")
    clear_dead(str(tmp_path))
    assert sorted(os.listdir(folder.path)) == ["lock"]
    folder.close()


def test_folder_goes_when_its_process_is_told_to_end(tmp_path: Path) -> None:
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        folder = OwnFolder(str(tmp_path), "guest")
        status = 0
        try:
            leave_in_order()
            os.write(write, b"x")
            signal.pause()
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else 0
        finally:
            folder.close()
            os._exit(status)
    assert os.read(read, 1) == b"x"
    os.close(read)
    os.close(write)
    os.kill(pid, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []


def renamed(path: Path) -> Path:
    return path.rename(path.with_name("vmalab-guest-abcdefgh"))


def with_other_text(path: Path) -> Path:
    (path / "lock").write_text("mine\n")
    return path


def without_lock(path: Path) -> Path:
    (path / "lock").unlink()
    return path


def with_link_as_lock(path: Path) -> Path:
    (path / "lock").rename(path.parent / "elsewhere")
    (path / "lock").symlink_to(path.parent / "elsewhere")
    return path


def behind_link(path: Path) -> Path:
    path.rename(path.parent / "kept")
    path.symlink_to(path.parent / "kept")
    return path


def of_other_user(path: Path) -> Path:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    os.chown(path, 65534, 65534)
    return path


@pytest.mark.parametrize(
    "change",
    [renamed, with_other_text, without_lock, with_link_as_lock, behind_link, of_other_user],
    ids=lambda change: change.__name__,
)
def test_what_is_not_surely_ours_stays(tmp_path: Path, change: Callable[[Path], Path]) -> None:
    path = change(left_by_killed_process(tmp_path))
    clear_dead(str(tmp_path))
    assert (path / "ram").read_bytes() == b"x" * 100


def test_empty_folder_of_a_process_killed_at_once_goes(tmp_path: Path) -> None:
    (tmp_path / ".vmalab-guest-abcdefgh").mkdir()
    clear_dead(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_parent_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    clear_dead(str(tmp_path / "nowhere"))
