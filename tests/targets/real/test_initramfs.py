# SPDX-License-Identifier: GPL-2.0-or-later
"""The archive that a guest starts from is one that cpio reads, with the program in it."""

import shutil
import subprocess

import pytest

from vmalab.targets.opening import open_target
from vmalab.targets.real.initramfs import Packed, initramfs
from vmalab.targets.real.qemu import QemuTarget
from vmalab.targets.real.target_errors import TargetError


def entries(archive: bytes) -> dict[str, tuple[int, bytes]]:
    """Name -> mode and content."""
    found = {}
    at = 0
    while True:
        assert archive[at : at + 6] == b"070701"
        fields = [int(archive[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        name = archive[at + 110 : at + 110 + fields[11] - 1].decode()
        content = at + (110 + fields[11] + 3) // 4 * 4
        if name == "TRAILER!!!":
            return found
        found[name] = (fields[1], archive[content : content + fields[6]])
        at = (content + fields[6] + 3) // 4 * 4


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 4097])
def test_program_is_in_it(size: int) -> None:
    program = bytes(range(256)) * 17
    found = entries(initramfs({"init": Packed(program[:size], program=True)}))
    assert found["init"] == (0o100755, program[:size])
    assert found["proc"][0] == 0o040755


def test_folders_of_files_come_before_them() -> None:
    found = entries(initramfs({"usr/lib/a.so": Packed(b"x"), "usr/b": Packed(b"y")}))
    names = list(found)
    assert names.index("usr") < names.index("usr/lib") < names.index("usr/lib/a.so")
    assert found["usr/lib"][0] == 0o040755
    assert found["usr/b"] == (0o100644, b"y")


def test_cpio_lists_it() -> None:
    cpio = shutil.which("cpio")
    if cpio is None:
        pytest.skip("cpio is not installed")
    done = subprocess.run(
        [cpio, "-it", "--quiet"],
        input=initramfs({"init": Packed(b"x")}),
        capture_output=True,
        check=True,
    )
    assert done.stdout.split() == [b"dev", b"proc", b"sys", b"dev/console", b"init"]


@pytest.mark.parametrize("name", ["", "dead", "qemu:", "live:", "qemu"])
def test_unknown_target_is_an_error(name: str) -> None:
    with pytest.raises(TargetError, match="no such target"):
        open_target(name)


def test_missing_image_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("VMALAB_CACHE", str(tmp_path))
    with pytest.raises(TargetError, match=r"not installed|no such kernel image"):
        QemuTarget("9.9").__enter__()
