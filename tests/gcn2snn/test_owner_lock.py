from __future__ import annotations

import errno
import json
import os
import platform
import signal
import subprocess
import sys
import threading
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from gcn2snn import owner_lock
from gcn2snn.errors import ArtefactError, LockedError
from gcn2snn.owner_lock import Owner, owned

HOLD = (
    "import sys, time; from pathlib import Path; from gcn2snn import owner_lock\n"
    "if sys.argv[2] == 'soft': owner_lock.fcntl = None\n"
    "with owner_lock.owned(Path(sys.argv[1]), folder=True): print('in', flush=True); time.sleep(60)"
)


@pytest.fixture(params=["flock", "soft"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With the system's locks, and as on a file system that has none."""
    if request.param == "soft":
        monkeypatch.setattr(owner_lock, "fcntl", None)
    return str(request.param)


def holder(folder: Path, way: str) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder), way], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "in\n"
    return process


def test_the_second_process_is_told_who_the_first_is(tmp_path: Path, way: str) -> None:
    process = holder(tmp_path, way)
    try:
        said = rf"{tmp_path} is in use by process {process.pid} on {platform.node()} since 20.*Wait until it is done"
        with pytest.raises(LockedError, match=said), owned(tmp_path, folder=True):
            pass
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]
    assert os.listdir(tmp_path)  # the killed one could not take its lock away
    with owned(tmp_path, folder=True):
        pass
    assert os.listdir(tmp_path) == []


def test_a_lock_of_another_machine_is_left_alone_where_only_files_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner_lock, "fcntl", None)
    other = replace(Owner.here(), host="another.example", pid=999_999_999)
    with owned(tmp_path, folder=True):
        (name,) = os.listdir(tmp_path)
    (tmp_path / name).write_text(json.dumps(asdict(other)))
    with pytest.raises(LockedError, match=r"process 999999999 on another.example since"), owned(tmp_path, folder=True):
        pass


def test_a_lock_file_whose_maker_was_killed_at_once_is_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner_lock, "fcntl", None)
    (tmp_path / ".locked").write_text("")
    with pytest.raises(LockedError, match="is in use by another process"), owned(tmp_path, folder=True):
        pass
    os.utime(tmp_path / ".locked", (0, 0))
    with owned(tmp_path, folder=True):
        pass
    assert os.listdir(tmp_path) == []


def test_the_same_thread_may_enter_again_and_another_may_not(tmp_path: Path, way: str) -> None:
    found: list[str] = []

    def enter() -> None:
        try:
            with owned(tmp_path / "file"):
                found.append("in")
        except LockedError as error:
            found.append(str(error))

    with owned(tmp_path / "file"), owned(tmp_path / "file"):
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
    assert f"is in use by process {os.getpid()}" in found[0]
    enter()
    assert found[1] == "in"


def test_a_folder_that_was_made_for_the_lock_goes_with_it(tmp_path: Path, way: str) -> None:
    with owned(tmp_path / "a" / "b", folder=True):
        assert (tmp_path / "a" / "b").is_dir()
    assert os.listdir(tmp_path) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtefactError, match="cannot be made"), owned(tmp_path / "file" / "b", folder=True):
        pass


@pytest.mark.parametrize("content", ["", "{", "[]", "[" * 5000, '{"host": 1}', "\0"])
def test_what_stands_in_a_lock_file_may_be_anything(tmp_path: Path, content: str) -> None:
    (tmp_path / ".lock").write_text(content)
    with owned(tmp_path, folder=True):
        pass
    assert os.listdir(tmp_path) == []


def test_a_full_disk_is_not_called_a_held_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int, owner: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(owner_lock, "_write", full)
    with pytest.raises(ArtefactError, match="cannot be written: No space left on device"), owned(tmp_path / "journal"):
        pass
    assert not list(tmp_path.iterdir())


def test_a_lock_that_cannot_be_read_leaves_no_file_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(handle: int) -> str:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    opened = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(owner_lock, "_content", unreadable)
    with pytest.raises(ArtefactError, match="Look whether the disk is sound"), owned(tmp_path / "journal"):
        pass
    assert len(os.listdir("/proc/self/fd")) == opened


def test_folders_on_the_way_to_one_that_cannot_be_made_are_removed(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with (
        pytest.raises(ArtefactError, match="cannot be made"),
        owned(tmp_path / "there" / "new" / ("x" * 300), folder=True),
    ):
        pass
    assert [each.name for each in tmp_path.rglob("*")] == ["there"]
