"""Downloads go on where they broke, and what is on the disk is whole; archives stay in their folder."""

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import types
import zipfile
from pathlib import Path

import pytest
from loopback import Server

from text_recognizer.datasets import download as module
from text_recognizer.datasets.download import CHUNK, DownloadError, download, extract

ROOT = Path(__file__).resolve().parents[1]
CONTENT = bytes(range(256)) * 1024  # four chunks
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def server():
    with Server(CONTENT) as running:
        yield running


@pytest.fixture
def path(tmp_path):
    return tmp_path / "datasets" / "archive.zip"


def part_of(path):
    return path.with_name(f"{path.name}.part")


def begin(path, content):
    """Leave what a broken download left."""
    path.parent.mkdir()
    part_of(path).write_bytes(content)


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and p.suffix != ".lock")


# Downloads


def test_a_download_is_whole(server, path):
    assert download(server.url, path, MD5) == path
    assert path.read_bytes() == CONTENT
    assert files(path.parent) == ["archive.zip"]
    assert server.requests == [""]


def test_what_is_there_is_not_downloaded_again(server, path):
    path.parent.mkdir()
    path.write_bytes(b"here already")
    assert download(server.url, str(path), MD5) == path
    assert path.read_bytes() == b"here already" and server.requests == []


def test_a_broken_download_goes_on_within_the_call(server, path):
    server.breaks = [3 * CHUNK, CHUNK // 2]
    download(server.url, path, MD5)
    assert path.read_bytes() == CONTENT
    assert server.requests == ["", f"bytes={3 * CHUNK}-", f"bytes={3 * CHUNK + CHUNK // 2}-"]


def test_a_download_that_breaks_again_and_again_goes_on_at_the_next_call(server, path):
    server.breaks = [1000] * module.ATTEMPTS
    with pytest.raises(DownloadError) as caught:
        download(server.url, path, MD5)
    message = str(caught.value)
    assert server.url in message and "The connection broke (after 1,000 of 258,144 bytes)" in message
    assert f"The 0.0 MB that have come are kept in {part_of(path)}" in message and "Run this again" in message
    assert not path.exists() and part_of(path).stat().st_size == 5000
    download(server.url, path, MD5)
    assert path.read_bytes() == CONTENT and server.requests[-1] == "bytes=5000-"
    assert files(path.parent) == ["archive.zip"]


def test_a_server_that_cannot_go_on_starts_over(server, path):
    server.ranges = False
    begin(path, CONTENT[:70_000])
    server.breaks = [CHUNK]
    download(server.url, path, MD5)
    assert path.read_bytes() == CONTENT
    assert server.requests == ["bytes=70000-", f"bytes={CHUNK}-"]


def test_a_file_that_has_changed_since_is_downloaded_anew(server, path):
    begin(path, b"of last year" * 100)
    download(server.url, path, MD5)
    assert path.read_bytes() == CONTENT
    assert server.requests == ["bytes=1200-", ""]


@pytest.mark.parametrize("kept, requests", [(CONTENT, 1), (CONTENT + b"more", 2)])
def test_a_part_that_the_server_has_no_more_of(server, path, kept, requests):
    begin(path, kept)
    download(server.url, path, MD5)
    assert path.read_bytes() == CONTENT and len(server.requests) == requests


def test_another_file_in_its_place_is_refused(server, path):
    server.content = b"<html>Please log in to the wireless</html>"
    found = hashlib.md5(server.content).hexdigest()
    with pytest.raises(DownloadError, match=f"has md5 {found}, not {MD5}"):
        download(server.url, path, MD5)
    assert files(path.parent) == [] and len(server.requests) == 1


@pytest.mark.parametrize("status, reason", [(404, "Not Found"), (503, "Service Unavailable")])
def test_what_the_server_answers_is_told(server, path, status, reason):
    server.status = status
    with pytest.raises(
        DownloadError, match=f"{server.url} could not be downloaded: the server answers {status} {reason}"
    ):
        download(server.url, path, MD5)
    assert files(path.parent) == [] and len(server.requests) == 1


def test_a_server_that_refuses_the_connection(path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/archive.zip"
        begin(path, CONTENT[:200_000])
        with pytest.raises(DownloadError) as caught:
            download(url, path, MD5)
    message = str(caught.value)
    assert (
        url in message
        and "ConnectionRefusedError" in message
        and "Connect to the network and run this again" in message
    )
    assert f"The 0.2 MB that have come are kept in {part_of(path)}" in message
    assert part_of(path).read_bytes() == CONTENT[:200_000]


def test_a_server_that_falls_silent_counts_as_broken(server, path, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", 0.2)
    server.breaks, server.waits = [CHUNK], threading.Event()
    download(server.url, path, MD5)
    server.waits.set()
    assert path.read_bytes() == CONTENT and server.requests == ["", f"bytes={CHUNK}-"]


def test_a_disk_without_room_is_noticed_before(server, path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: types.SimpleNamespace(free=1000))
    with pytest.raises(DownloadError, match=f"{path.parent} has 0 MB left, and 0 MB are needed"):
        download(server.url, path, MD5)
    assert files(path.parent) == []


def test_a_disk_that_fills_up_leaves_only_what_can_go_on(server, path):
    resource = pytest.importorskip("resource", reason="this system cannot limit the size of files")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(DownloadError, match=f"could not be written to {path}.*File too large.*run this again"):
            download(server.url, path, MD5)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert files(path.parent) == ["archive.zip.part"]
    download(server.url, path, MD5)
    assert path.read_bytes() == CONTENT and server.requests == ["", "bytes=100000-"]


def test_a_folder_that_cannot_be_made(server, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DownloadError, match="could not be written to"):
        download(server.url, tmp_path / "file" / "archive.zip", MD5)


def start(code, *arguments):
    """Run `code` in a process of its own, with `arguments` in sys.argv."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


DOWNLOAD = "import sys; from text_recognizer.datasets.download import download; print(download(*sys.argv[1:]))"


def test_two_processes_download_once(server, path):
    server.breaks, server.waits = [CHUNK], threading.Event()
    processes = [start(DOWNLOAD, server.url, path, MD5) for _ in range(2)]
    wait_until(lambda: server.requests)
    time.sleep(0.5)  # for the second one to come up, and to wait
    server.waits.set()
    assert [process.communicate(timeout=30)[0] for process in processes] == [f"{path}\n"] * 2
    assert server.requests == ["", f"bytes={CHUNK}-"]
    assert path.read_bytes() == CONTENT and files(path.parent) == ["archive.zip"]


def test_a_killed_process_leaves_neither_a_file_nor_a_lock(server, path):
    server.breaks, server.waits = [3 * CHUNK], threading.Event()
    process = start(DOWNLOAD, server.url, path, MD5)
    wait_until(lambda: part_of(path).exists() and part_of(path).stat().st_size)
    process.kill()
    process.communicate(timeout=30)
    server.waits.set()
    assert not path.exists()
    download(server.url, path, MD5)
    assert path.read_bytes() == CONTENT and server.requests[1].startswith("bytes=")


def wait_until(happened):
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_progress_is_shown_in_a_terminal_and_nowhere_else(server, path, monkeypatch, capsys):
    download(server.url, path, MD5)
    assert capsys.readouterr() == ("", "")
    path.unlink()
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    download(server.url, path, MD5)
    shown, _ = capsys.readouterr()
    assert shown.startswith(f"Downloading {server.url}\n") and "1/1" in shown and "MB" in shown


# Archives


@pytest.fixture
def archive(tmp_path):
    return pack(tmp_path, {"gzip/train.gz": b"train" * 1000, "gzip/test.gz": b"test" * 1000, "gzip/letters.gz": b"no"})


def pack(tmp_path, members):
    path = tmp_path / "archive.zip"
    with zipfile.ZipFile(path, "w") as opened:
        for name, content in members.items():
            opened.writestr(name, content)
    return path


def test_all_of_an_archive(archive, tmp_path):
    extract(archive, tmp_path / "new" / "emnist")
    assert files(tmp_path / "new") == ["emnist/gzip/letters.gz", "emnist/gzip/test.gz", "emnist/gzip/train.gz"]
    assert (tmp_path / "new/emnist/gzip/train.gz").read_bytes() == b"train" * 1000


def test_the_files_that_are_asked_for_and_not_there_yet(archive, tmp_path):
    folder = tmp_path / "emnist"
    folder.mkdir()
    (folder / "test.gz").write_bytes(b"here already")
    extract(archive, folder, {"gzip/train.gz": "train.gz", "gzip/test.gz": "test.gz"})
    assert files(folder) == ["test.gz", "train.gz"]
    assert (folder / "test.gz").read_bytes() == b"here already"
    assert (folder / "train.gz").read_bytes() == b"train" * 1000


def test_everything_is_there_already(archive, tmp_path):
    extract(archive, tmp_path / "emnist")
    extract(archive, tmp_path / "emnist")
    assert files(tmp_path) == ["archive.zip", "emnist/gzip/letters.gz", "emnist/gzip/test.gz", "emnist/gzip/train.gz"]


def link():
    info = zipfile.ZipInfo("link")
    info.create_system = 3  # Unix
    info.external_attr = 0o120777 << 16
    return info


@pytest.mark.parametrize(
    "name, why",
    [
        ("../evil", "outside"),
        ("good/../../evil", "outside"),
        ("/evil", "outside"),
        ("..\\evil", "outside"),
        ("C:evil", "outside"),
        (link(), "a link"),
    ],
    ids=str,
)
def test_an_archive_cannot_leave_its_folder(tmp_path, name, why):
    archive = pack(tmp_path, {"good/file": b"good", name: b"../../evil"})
    with pytest.raises(DownloadError, match=why) as caught:
        extract(archive, tmp_path / "a" / "folder")
    assert repr(getattr(name, "filename", name)) in str(caught.value)
    assert files(tmp_path) == ["archive.zip"]  # nor any of the good ones
    extract(archive, tmp_path / "a" / "folder", {"good/file": "file"})
    assert files(tmp_path) == ["a/folder/file", "archive.zip"]


def test_a_file_that_the_archive_lacks_is_named(archive, tmp_path):
    with pytest.raises(DownloadError, match=f"{archive} has no gzip/digits.gz: "):
        extract(archive, tmp_path / "emnist", {"gzip/train.gz": "train.gz", "gzip/digits.gz": "digits.gz"})
    assert files(tmp_path) == ["archive.zip"]


def truncate(content):
    return content[:-30]


def flip_a_bit(content):
    return content.replace(b"testtest", b"testtesu", 1)


def replace_by_a_login_page(content):
    return b"<html>Please log in to the wireless</html>"


@pytest.mark.parametrize("damage", [truncate, flip_a_bit, replace_by_a_login_page])
def test_a_damaged_archive_leaves_nothing(archive, tmp_path, damage):
    archive.write_bytes(damage(archive.read_bytes()))
    with pytest.raises(DownloadError, match=f"{archive} is damaged .*Delete it and run this again"):
        extract(archive, tmp_path / "emnist")
    assert files(tmp_path) == ["archive.zip"]


@pytest.mark.parametrize(
    "failure, raised",
    [(KeyboardInterrupt(), KeyboardInterrupt), (OSError(28, "No space left on device"), DownloadError)],
)
@pytest.mark.parametrize("there", [False, True])
def test_an_interrupted_extraction_leaves_nothing(archive, tmp_path, monkeypatch, failure, raised, there):
    folder = tmp_path / "emnist"
    if there:
        folder.mkdir()
    copy = shutil.copyfileobj

    def fail_at_the_second(source, target):
        copy(source, target)
        if source.name == "gzip/test.gz":
            raise failure

    monkeypatch.setattr(shutil, "copyfileobj", fail_at_the_second)
    with pytest.raises(raised):
        extract(archive, folder)
    assert files(tmp_path) == ["archive.zip"] and folder.exists() == there
    monkeypatch.undo()
    extract(archive, folder)
    assert len(files(folder)) == 3


def test_an_archive_that_does_not_fit_is_noticed_before(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: types.SimpleNamespace(free=1000))
    with pytest.raises(DownloadError, match=f"{tmp_path} has 0 MB left"):
        extract(archive, tmp_path / "emnist")
    assert files(tmp_path) == ["archive.zip"]


def test_two_processes_unpack_one_archive(archive, tmp_path):
    code = "import sys; from text_recognizer.datasets.download import extract; print(extract(*sys.argv[1:]))"
    processes = [start(code, archive, tmp_path / "emnist") for _ in range(2)]
    assert [process.communicate(timeout=30)[0] for process in processes] == ["None\n"] * 2
    assert len(files(tmp_path / "emnist")) == 3
