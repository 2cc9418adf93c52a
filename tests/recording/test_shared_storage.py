# SPDX-License-Identifier: GPL-2.0-or-later
"""Recordings on shared storage: what is fetched, under which names, and what is refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fsspec", reason="fsspec is not installed (pip install 'vmalab[fleet]')")

import fsspec
from fsspec.implementations.memory import MemoryFileSystem

from vmalab.calls.errors import ReadError
from vmalab.recording.opening import open_recording
from vmalab.recording.shared_storage import fetched, find_recordings, is_shared
from vmalab.replay.replay import Options, Replay


@pytest.fixture
def storage() -> Iterator[Any]:
    """Storage in memory, empty afterwards."""
    made = fsspec.filesystem("memory")
    yield made
    for name in made.ls("/", detail=False):
        made.rm(name, recursive=True)


class Understating(MemoryFileSystem):  # type: ignore[misc]
    """Storage that says of each file that it has one byte."""

    protocol = "understating"

    @classmethod
    def _strip_protocol(cls, path: str) -> Any:
        return super()._strip_protocol(path.replace("understating://", "memory://"))

    def ls(self, path: str, detail: bool = True, **more: Any) -> Any:
        found = super().ls(path, detail, **more)
        return [entry | {"size": 1} for entry in found] if detail else found


@pytest.mark.parametrize(
    ("path", "shared"),
    [("s3://b/x", True), ("file:///x", True), ("./s3:x", False), ("/a://b", False), ("-", False)],
)
def test_an_address_has_a_scheme(path: str, shared: bool) -> None:
    assert is_shared(path) is shared


def test_a_recording_is_fetched_and_replays(storage: Any, examples: Path) -> None:
    storage.put(str(examples / "sqlite3"), "/bucket/a", recursive=True)
    (path,) = find_recordings("memory://bucket")
    assert path == "memory:///bucket/a"
    with fetched(path) as here:
        assert Replay(open_recording(here), Options()).run().identical
    assert not Path(here).exists()


def test_only_files_of_a_recording_are_fetched(storage: Any) -> None:
    names = ("calls.strace", "meta.json", "notes.txt", "images/5.1/final.smaps", "images/x/a")
    for name in (*names, "images/5.1/other", "images/..5.1/final.smaps", "more/meta.json"):
        storage.pipe(f"/bucket/{name}", b"{}")
    with fetched("memory://bucket") as here:
        found = {str(path.relative_to(here)) for path in Path(here).rglob("*") if path.is_file()}
    assert found == {"calls.strace", "meta.json", "images/5.1/final.smaps"}


def test_what_is_too_large_is_not_fetched(storage: Any) -> None:
    storage.pipe("/bucket/calls.strace", b"x" * 100)
    with pytest.raises(ReadError, match="more than 99 bytes"), fetched("memory://bucket", 99):
        pass


def test_what_is_larger_than_its_storage_says_is_not_fetched(storage: Any) -> None:
    # Both keep their files in one place: what is put into one is in the other.
    fsspec.register_implementation("understating", Understating, clobber=True)
    fsspec.filesystem("understating").pipe("/bucket/calls.strace", b"x" * (8 << 20))
    with (
        pytest.raises(ReadError, match="more than 99 bytes"),
        fetched("understating://bucket", 99),
    ):
        pass


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("nosuch://bucket", id="unknown-kind"),
        pytest.param("memory://nothing", id="empty"),
        pytest.param("file:///does/not/exist", id="no-folder"),
        pytest.param("ftp://127.0.0.1:1/there", id="no-server"),
    ],
)
def test_what_is_not_there_is_an_error_with_its_address(path: str) -> None:
    with pytest.raises(ReadError, match=path):
        list(find_recordings(path))
