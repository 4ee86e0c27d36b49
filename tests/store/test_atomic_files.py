"""Killed, out of disk, two at once, or without locks: files and folders are whole or not there, in all packages."""

import errno
import fcntl
import os
import signal
import threading
from contextlib import ExitStack, contextmanager

import pytest

from preprocess.errors import DiskFullError, ShardError, disk_errors
from store import atomic_files
from store.atomic_files import (
    LOCK_NAME,
    atomic_file,
    atomic_folder,
    folder_lock,
    is_folder_locked,
    remove_temporaries,
    replacing,
    temporary_path,
    write_errors,
    write_text,
)
from store.errors import BusyError, WriteError
from tests.processes import status_of_fork
from train.errors import ExportError, RunError, exporting, writing


@contextmanager
def file_to_write(path, guard=write_errors):
    with atomic_file(path, guard) as file:
        yield lambda text: file.write(text.encode())


@contextmanager
def path_to_write(path):
    with replacing(path) as temporary:
        yield temporary.write_text


@contextmanager
def folder_to_fill(path, guard=write_errors):
    with atomic_folder(path, guard) as folder:
        yield (folder / "a.txt").write_text


LOCKING = [path_to_write, folder_to_fill]
WAYS = [file_to_write, *LOCKING]


def write(way, path, text):
    with way(path) as put:
        put(text)


def text_of(path):
    return (path / "a.txt" if path.is_dir() else path).read_text()


def names(folder):
    return sorted(each.name for each in folder.iterdir())


@pytest.mark.parametrize("way", WAYS)
def test_new_content_takes_the_place_of_the_old_and_a_failure_leaves_it(tmp_path, way):
    path = tmp_path / "a"
    for text in ("old", "new"):
        write(way, path, text)
        assert text_of(path) == text
    with pytest.raises(KeyError), way(path) as put:
        put("half")
        raise KeyError
    assert text_of(path) == "new"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("way", WAYS)
def test_a_killed_writer_leaves_the_old_content_and_the_next_one_removes_its_leftovers(tmp_path, way):
    path = tmp_path / "a"
    write(way, path, "old")

    def die_half_way():
        with way(path) as put:
            put("half")
            os.kill(os.getpid(), signal.SIGKILL)

    assert status_of_fork(die_half_way) == -signal.SIGKILL
    assert text_of(path) == "old"
    assert len(names(tmp_path)) > 1
    others = temporary_path(tmp_path / "a.b")  # its name begins with that of the leftovers
    others.write_text("another writer's")
    write(way, path, "new")
    assert text_of(path) == "new"
    if way in LOCKING:
        assert names(tmp_path) == [others.name, "a"]
    (tmp_path / ".notes.tmp").write_text("a person's")
    remove_temporaries(tmp_path)  # as the holder of a folder does
    assert names(tmp_path) == [".notes.tmp", "a"]


@pytest.mark.parametrize("way", LOCKING)
def test_the_second_writer_is_refused_and_the_lock_goes(tmp_path, way):
    with way(tmp_path / "a") as put:
        put("first")
        with pytest.raises(BusyError, match=f"a: another process is writing here .process {os.getpid()} on"):
            write(way, tmp_path / "a", "second")
    assert text_of(tmp_path / "a") == "first"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize(
    ("guard", "busy", "full", "remedy"),
    [
        (write_errors, BusyError, WriteError, "free space"),
        (disk_errors, ShardError, DiskFullError, "make room and run the same command again"),
        (writing, RunError, RunError, "free some disk space and start again"),
        (exporting, ExportError, ExportError, "nothing there has changed"),
    ],
)
def test_each_package_has_its_own_errors_for_a_lock_and_a_full_disk(tmp_path, guard, busy, full, remedy):
    with (
        folder_lock(tmp_path),
        pytest.raises(busy, match=f"another process is writing here .process {os.getpid()} on"),
        folder_lock(tmp_path, guard),
    ):
        pass
    for way in (file_to_write, folder_to_fill):
        with pytest.raises(full, match=f"(?i)no space left.*{remedy}"), way(tmp_path / "a", guard):
            raise OSError(errno.ENOSPC, "No space left on device")
    assert names(tmp_path) == []


def test_a_refusal_is_not_called_a_full_disk(tmp_path):
    for number in (errno.EROFS, errno.EACCES):
        with pytest.raises(WriteError, match="make it writable or write to another disk"), write_errors(tmp_path):
            raise OSError(number, os.strerror(number))


def test_whoever_waits_for_a_folder_gets_it_when_it_is_free(tmp_path):
    with ExitStack() as holder:
        holder.enter_context(folder_lock(tmp_path))
        with pytest.raises(BusyError, match="another process"), folder_lock(tmp_path, patience_seconds=0.3):
            pass
        threading.Timer(0.3, holder.close).start()
        with folder_lock(tmp_path, patience_seconds=30):
            pass


def test_a_question_about_a_lock_tells_of_holders_alone_and_refuses_nobody(tmp_path, monkeypatch):
    def die_with_it():
        with folder_lock(tmp_path):
            assert not status_of_fork(lambda: is_folder_locked(tmp_path) or os.abort())
            os.kill(os.getpid(), signal.SIGKILL)

    assert not is_folder_locked(tmp_path)
    assert status_of_fork(die_with_it) == -signal.SIGKILL
    assert (tmp_path / LOCK_NAME).exists()
    assert not is_folder_locked(tmp_path)
    with ExitStack() as asking:  # a question that takes long: it has the lock that questions ask for
        file = asking.enter_context((tmp_path / LOCK_NAME).open("rb"))
        fcntl.flock(file, fcntl.LOCK_SH)
        assert not is_folder_locked(tmp_path)
        monkeypatch.setattr(atomic_files, "_QUESTION_SECONDS", 30.0)  # a busy machine may end this one late
        threading.Timer(0.3, asking.close).start()
        with folder_lock(tmp_path):
            assert is_folder_locked(tmp_path)
    assert not is_folder_locked(tmp_path)


def test_nothing_is_written_through_links(tmp_path):
    """A folder may come from elsewhere, with links in it; what they lead to stays as it is."""
    precious, folder = tmp_path / "precious", tmp_path / "folder"
    precious.write_text("precious")
    folder.mkdir()
    for name in (LOCK_NAME, f".a{LOCK_NAME}", temporary_path(folder / "b").name):
        (folder / name).symlink_to(precious)
    with pytest.raises(WriteError, match=r"its lock \.lock is a link, remove it"), folder_lock(folder):
        pass
    for way in LOCKING:
        with pytest.raises(WriteError, match=r"its lock \.a\.lock is a link"):
            write(way, folder / "a", "new")
    write_text(folder / "b", "new")
    assert (folder / "b").read_text() == "new"
    assert precious.read_text() == "precious"


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_a_warning(tmp_path, monkeypatch, caplog, number):
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(number, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with folder_lock(tmp_path) as is_locked:
        assert not is_locked
        for way in LOCKING:
            write(way, tmp_path / way.__name__, "text")
    assert caplog.text.count("has no locks") == 1, "once a folder"
    assert names(tmp_path) == ["folder_to_fill", "path_to_write"]
