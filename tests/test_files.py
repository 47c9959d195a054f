"""What is on the disk is whole, is found without a right to write, is what was published, and stays in its folder."""

import hashlib
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import threading
import time
import types
import unicodedata
import urllib.request
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from loopback import Server
from python import run_python

import text_recognizer.files as module
from text_recognizer.files import (
    CHUNK,
    DownloadError,
    atomic_write,
    data_home,
    download,
    extract,
    find,
    make_folder,
    place,
)
from workbook.pages import ROOT

CONTENT = bytes(range(256)) * 1024  # four chunks
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(module, "BACKOFF", 0)


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


# Files


def test_a_file_appears_whole_and_replaces_the_old_one(tmp_path):
    path = tmp_path / "new" / "epoch_1.weights.h5"
    for content in ("first", "second"):
        with atomic_write(path) as beside:
            beside.write_text(content)
            assert beside.parent == path.parent and beside.name.endswith(".weights.h5")
            assert not path.exists() if content == "first" else path.read_text() == "first"
        assert path.read_text() == content and files(tmp_path) == ["new/epoch_1.weights.h5"]


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_a_file_that_fails_leaves_the_old_one(tmp_path, failure):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(type(failure)), atomic_write(path) as beside:
        beside.write_text("half of the n")
        raise failure
    assert path.read_text() == "old" and files(tmp_path) == ["file"]


def test_two_at_once_do_not_write_to_the_same_file(tmp_path):
    with atomic_write(tmp_path / "file") as one, atomic_write(tmp_path / "file") as two:
        one.write_text("one")
        two.write_text("two")
        assert one.read_text() == "one"
    assert files(tmp_path) == ["file"]


def test_a_file_does_not_take_the_place_of_a_folder(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError, match="folder is a folder"), atomic_write(tmp_path / "folder"):
        pytest.fail("this would be the work of hours")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.fixture
def disk(monkeypatch):
    """What is asked of the disk, in order."""
    asked = []
    fsync, replace = os.fsync, os.replace

    def record_fsync(handle):
        asked.append("wait for the folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "wait for the file")
        fsync(handle)

    def record_replace(source, target):
        asked.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "replace", record_replace)
    monkeypatch.setattr(os, "sync", lambda: asked.append("wait for all"), raising=False)
    return asked


def write(path, content):
    with atomic_write(path) as beside:
        beside.write_bytes(content)


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot wait for a folder")
def test_the_disk_has_everything_before_it_is_renamed(disk, server, tmp_path):
    one, many = ([f"wait for {what}", "rename", "wait for the folder"] for what in ("the file", "all"))
    for make, expected in (
        (lambda: write(tmp_path / "file", b"content"), one),
        (lambda: make_folder(tmp_path / "made", lambda beside: (beside / "file").write_text("content")), many),
        (lambda: download(server.url, tmp_path / "downloaded", MD5), one),
    ):
        disk.clear()
        make()
        assert disk == expected


# Folders


def fill(folder):
    (folder / "first").touch()
    (folder / "second").touch()


def test_two_processes_make_one_folder(tmp_path):
    code = f"""
import time
from text_recognizer.files import make_folder
def fill(folder):
    (folder / "first").touch()
    time.sleep(0.5)
    (folder / "second").touch()
    print("filled")
print(sorted(path.name for path in make_folder({str(tmp_path / "folder")!r}, fill).iterdir()))
"""
    with ThreadPoolExecutor() as threads:
        printed = sorted(threads.map(run_python, [code, code]))
    assert printed == ["['first', 'second']\n", "filled\n['first', 'second']\n"]


def test_a_folder_is_made_whole_or_not_at_all(tmp_path):
    def fail(folder):
        (folder / "first").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_folder(tmp_path / "a" / "folder", fail)
    assert [path.name for path in (tmp_path / "a").iterdir()] in ([], ["folder.lock"])
    killed = tmp_path / "a" / "folder.part"
    killed.mkdir()
    (killed / "left by kill -9").touch()
    made = make_folder(tmp_path / "a" / "folder", fill)
    assert sorted(path.name for path in made.iterdir()) == ["first", "second"]
    assert not killed.exists()


def test_a_folder_does_not_take_the_place_of_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="file is to be a folder"):
        make_folder(tmp_path / "file", lambda beside: pytest.fail("this would be the work of hours"))


# The place of the data


@pytest.fixture
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_the_home_is_where_keras_has_it(monkeypatch, home):
    assert data_home() == home
    monkeypatch.setenv("KERAS_HOME", "~/elsewhere")
    assert data_home() == Path.home() / "elsewhere"
    for unset in (lambda: monkeypatch.setenv("KERAS_HOME", ""), lambda: monkeypatch.delenv("KERAS_HOME")):
        unset()
        assert data_home() == Path.home() / ".keras"


def test_a_home_that_is_not_there_is_where_data_are_put(home):
    assert find("emnist") is None
    assert place("emnist") == home / "datasets" / "emnist" and not home.exists()
    make_folder(place("emnist"), fill)
    assert find("emnist") == home / "datasets" / "emnist" == place("emnist")
    assert find("emnist/first").is_file() and find("emnist/third") is None


def as_another_user(shared_home, code):
    """Run `code` as a user who may only read the home, and whose temporary files go to `elsewhere`."""
    make_folder(shared_home.datasets / "whole", fill)
    make_folder(shared_home.datasets / "part", lambda beside: (beside / "first").touch())
    pack(shared_home.datasets, {"all/first": b"", "all/second": b""})
    return shared_home.run(
        "import sys, tempfile\nfrom pathlib import Path\nimport text_recognizer.files as files",
        f"""
isdir = os.path.isdir
os.path.isdir = lambda path: path != "/tmp" and isdir(path)  # as on Windows; so gettempdir() counts
tempfile.tempdir = {str(shared_home.elsewhere)!r}
datasets = Path({str(shared_home.datasets)!r})
elsewhere = Path(tempfile.tempdir, ".keras", "datasets")
{code}""",
    )


def test_what_is_in_a_home_that_one_may_only_read_is_used(shared_home):
    """Without a lock, and without anything written."""
    as_another_user(
        shared_home,
        """
assert files.find("whole") == datasets / "whole"
assert files.make_folder(files.find("whole"), None) == datasets / "whole"
assert files.download("http://127.0.0.1:9/archive.zip", datasets / "archive.zip", "md5:" + 32 * "0").exists()
""",
    )
    assert list(shared_home.elsewhere.iterdir()) == []


def test_what_is_not_in_a_home_that_one_may_only_read_is_put_among_the_temporary_files(shared_home):
    as_another_user(
        shared_home,
        """
assert files.find("new") is None
assert files.place("new") == elsewhere / "new"
files.make_folder(files.place("new"), lambda beside: files.extract(files.find("archive.zip"), beside, strip="all"))
assert files.find("new") == elsewhere / "new" and (elsewhere / "new" / "second").is_file()
assert files.place("part") == elsewhere / "part" and files.find("part") == datasets / "part"
""",
    )


def test_who_writes_to_a_home_that_one_may_only_read_is_told(shared_home):
    as_another_user(
        shared_home,
        """
for write in (
    lambda: files.download("http://127.0.0.1:9/new.zip", datasets / "new.zip", "md5:" + 32 * "0"),
    lambda: files.extract(datasets / "archive.zip", datasets / "new", strip="all"),
    lambda: files.make_folder(datasets / "new", lambda folder: sys.exit("it was filled")),
):
    try:
        write()
        sys.exit("no error")
    except (files.DownloadError, OSError) as error:
        assert str(datasets) in str(error) and "Permission denied" in str(error), error
""",
    )


def test_a_home_that_one_may_not_even_read_is_no_obstacle(shared_home):
    closed = shared_home.elsewhere / "closed"
    make_folder(closed / "datasets" / "whole", fill)
    closed.chmod(0o000)
    as_another_user(
        shared_home,
        f"""
os.environ["KERAS_HOME"] = {str(closed)!r}
assert files.find("whole") is None
assert files.place("whole") == elsewhere / "whole"
""",
    )
    closed.chmod(0o700)


def test_who_has_no_home_reads_and_writes_among_temporary_files(monkeypatch):
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as where neither HOME nor the system knows one
    assert module.find("no/such/data/set") is None
    assert place("emnist").is_absolute() and place("emnist").parts[-3:] == (".keras", "datasets", "emnist")


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
    assert f"{server.url} could not be downloaded to {path}." in message
    assert "the connection broke after 5,000 of 262,144 bytes" in message and "run this again" in message
    assert f"What has come is kept in {part_of(path)}" in message
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
    with pytest.raises(DownloadError, match=f"has md5 {found}, not {MD5.removeprefix('md5:')}"):
        download(server.url, path, MD5)
    assert files(path.parent) == [] and len(server.requests) == 1


@pytest.mark.parametrize(
    "status, reason, requests",
    [(404, "Not Found", 1), (429, "Too Many Requests", module.ATTEMPTS), (503, "Service Unavailable", module.ATTEMPTS)],
)
def test_what_the_server_answers_is_told(server, path, status, reason, requests):
    server.answers = [status] * 10
    told = f"{server.url} could not be downloaded to {path}. The server answers {status} {reason}."
    with pytest.raises(DownloadError, match=re.escape(told)):
        download(server.url, path, MD5)
    assert files(path.parent) == [] and len(server.requests) == requests


def test_a_server_that_is_overloaded_is_given_time(server, path, monkeypatch):
    monkeypatch.setattr(module, "BACKOFF", 1)
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    server.answers = [503, 200, 429, 500]
    server.breaks = [CHUNK]
    download(server.url, path, MD5)
    assert path.read_bytes() == CONTENT and waits == [1, 2, 4, 8]
    assert server.requests == ["", "", *[f"bytes={CHUNK}-"] * 3]


def test_a_network_that_comes_back_is_used(server, path, monkeypatch):
    """There is no need to wait where there is no network at all, but where it fails within a download."""
    urlopen, failures = urllib.request.urlopen, [None, OSError("the cable is out"), None]

    def fail(*args, **kwargs):
        if failure := failures.pop(0):
            raise failure
        return urlopen(*args, **kwargs)

    monkeypatch.setattr(urllib.request, "urlopen", fail)
    server.breaks = [CHUNK]
    download(server.url, path, MD5)
    assert path.read_bytes() == CONTENT and server.requests == ["", f"bytes={CHUNK}-"]


def test_a_sha256(server, path):
    download(server.url, path, f"sha256:{hashlib.sha256(CONTENT).hexdigest()}")
    assert path.read_bytes() == CONTENT
    with pytest.raises(DownloadError, match="What came has sha256 [0-9a-f]{64}, not 0000"):
        download(server.url, path.with_name("other"), f"sha256:{'0' * 64}")


@pytest.mark.parametrize("checksum", ["", "0" * 32, "md5:", f"md5:{'0' * 31}", f"sha256:{'0' * 32}", f"md5:{'G' * 32}"])
def test_a_checksum_that_is_none_is_refused_at_once(server, path, checksum):
    with pytest.raises(ValueError, match=f"checksum is {checksum!r}"):
        download(server.url, path, checksum)
    assert server.requests == [] and not path.parent.exists()


def test_a_server_that_refuses_the_connection(path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/archive.zip"
        begin(path, CONTENT[:200_000])
        with pytest.raises(DownloadError) as caught:
            download(url, path, MD5)
    message = str(caught.value)
    assert url in message and "ConnectionRefusedError" in message and "Connect to the network" in message
    assert f"What has come is kept in {part_of(path)}" in message
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
        with pytest.raises(DownloadError, match=f"downloaded to {path}.*File too large.*make room on the disk"):
            download(server.url, path, MD5)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert files(path.parent) == ["archive.zip.part"]
    download(server.url, path, MD5)
    assert path.read_bytes() == CONTENT and set(server.requests) == {"", "bytes=100000-"}


def test_a_folder_that_cannot_be_made(server, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DownloadError, match="could not be downloaded to"):
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


DOWNLOAD = "import sys; from text_recognizer import files; files.BACKOFF = 0; print(files.download(*sys.argv[1:]))"


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
    server.content = CONTENT * 8
    md5 = f"md5:{hashlib.md5(server.content).hexdigest()}"
    download(server.url, path, md5)
    assert capsys.readouterr() == ("", "")
    path.unlink()
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    download(server.url, path, md5)
    assert capsys.readouterr() == ("".join(f"\rDownloading {server.url}: {mb} of 2 MB" for mb in (1, 2)) + "\n", "")


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


def unpack(archive, folder, **how):
    """Unpack as the data sets do."""
    return make_folder(folder, lambda beside: extract(archive, beside, **how))


def test_all_of_an_archive(archive, tmp_path):
    extract(archive, tmp_path / "new" / "emnist")
    assert files(tmp_path / "new") == ["emnist/gzip/letters.gz", "emnist/gzip/test.gz", "emnist/gzip/train.gz"]
    assert (tmp_path / "new/emnist/gzip/train.gz").read_bytes() == b"train" * 1000


def test_the_files_that_are_asked_for(archive, tmp_path):
    extract(archive, tmp_path / "emnist", members=["train.gz", "test.gz"], strip="gzip")
    assert files(tmp_path / "emnist") == ["test.gz", "train.gz"]


def link():
    info = zipfile.ZipInfo("link")
    info.create_system = 3  # Unix
    info.external_attr = 0o120777 << 16
    return info


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "good/../../evil",
        "/evil",
        "good//evil",
        "./evil",
        ".",
        "..\\evil",
        "C:evil",
        "good/.. /.. /evil",
        "evil. ",
        "...",
        "nul",
        "good/aux.txt",
        "COM1 .txt/evil",
        "ev\til",
        "ev\x1bil",
        "evil?",
        link(),
    ],
    ids=str,
)
def test_a_name_that_is_none_on_some_system_is_refused(tmp_path, name):
    """It leads out of the folder, or to a device, or cannot be written."""
    archive = pack(tmp_path, {"good/file": b"good", name: b"../../evil"})
    with pytest.raises(DownloadError, match="is a link, or would lie outside") as caught:
        unpack(archive, tmp_path / "a" / "folder")
    assert repr(getattr(name, "filename", name)) in str(caught.value)
    assert files(tmp_path) == ["archive.zip"]  # nor any of the good ones
    unpack(archive, tmp_path / "a" / "folder", members=["good/file"])
    assert files(tmp_path) == ["a/folder/good/file", "archive.zip"]


@pytest.mark.parametrize("name", ["console", "com", "com12", "auxiliary.txt", ".hidden", "a b", "a.b.c", "x..y", "é"])
def test_a_name_that_only_looks_like_one_of_these_is_none(tmp_path, name):
    extract(pack(tmp_path, {f"{name}/{name}.txt": b""}), tmp_path / "folder")
    assert files(tmp_path / "folder") == [f"{name}/{name}.txt"]


@pytest.mark.parametrize("name", ["all/{elsewhere}/evil", "all//{elsewhere}/evil", "all/../../evil"])
def test_an_archive_cannot_leave_its_folder_by_what_is_taken_off(tmp_path, name):
    archive = pack(tmp_path, {"all/good": b"good", name.format(elsewhere=tmp_path / "elsewhere"): b"evil"})
    with pytest.raises(DownloadError, match="outside"):
        unpack(archive, tmp_path / "a" / "folder", strip="all")
    assert files(tmp_path) == ["archive.zip"]


ACCENT = unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")


@pytest.mark.parametrize(
    "one, two",
    [
        ("all/x", "x"),
        ("x", "x"),
        ("x.JPEG", "X.jpeg"),
        ("STRASSE", "straße"),
        (ACCENT[0], ACCENT[1]),
        ("x/y", "X"),
        ("x", "x/y/z"),
    ],
)
def test_two_files_cannot_have_one_place(tmp_path, one, two):
    for names in ((one, two), (two, one)):
        with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(tmp_path / "archive.zip", "w") as opened:
            for content, name in enumerate(("other", *names)):
                opened.writestr(name, str(content))
        with pytest.raises(DownloadError, match="where another file does") as caught:
            unpack(tmp_path / "archive.zip", tmp_path / "folder", strip="all")
        assert repr(one) in str(caught.value) or repr(two) in str(caught.value)
        assert files(tmp_path) == ["archive.zip"]
        unpack(tmp_path / "archive.zip", tmp_path / "folder", members=["other"], strip="all")  # the rest is usable
        assert files(tmp_path) == ["archive.zip", "folder/other"]
        shutil.rmtree(tmp_path / "folder")


def test_the_folder_of_the_archive_is_taken_off(tmp_path):
    archive = pack(tmp_path, {"all/one": b"1", "all/more/two": b"2", "readme": b"3", "allthree": b"4"})
    extract(archive, tmp_path / "folder", strip="all")
    assert files(tmp_path / "folder") == ["allthree", "more/two", "one", "readme"]
    extract(archive, tmp_path / "one", members=["more/two"], strip="all")
    assert files(tmp_path / "one") == ["more/two"]


def test_a_file_that_the_archive_lacks_is_named(archive, tmp_path):
    with pytest.raises(DownloadError, match=f"{archive} has no gzip/digits.gz: "):
        unpack(archive, tmp_path / "emnist", members=["gzip/train.gz", "gzip/digits.gz"])
    assert files(tmp_path) == ["archive.zip"]


def truncate(content):
    return content[:-30]


def flip_a_bit(content):
    return content.replace(b"testtest", b"testtesu", 1)


def replace_by_a_login_page(content):
    return b"<html>Please log in to the wireless</html>"


def encrypt(content):
    """Say that all files are encrypted, in the flags of their entries, locally and in the list at the end."""
    content = bytearray(content)
    for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        for found in re.finditer(re.escape(mark), bytes(content)):
            content[found.start() + offset] |= 1
    return bytes(content)


def name_in_no_encoding(content):
    content = bytearray(content.replace(b"letters", b"lett\xffrs"))
    for found in re.finditer(re.escape(b"PK\1\2"), bytes(content)):
        content[found.start() + 9] |= 8  # names are in UTF-8
    return bytes(content)


def compress_in_an_unknown_way(content):
    content = bytearray(content)
    for found in re.finditer(re.escape(b"PK\1\2"), bytes(content)):
        content[found.start() + 10] = 97
    return bytes(content)


@pytest.mark.parametrize(
    "damage", [truncate, flip_a_bit, replace_by_a_login_page, encrypt, name_in_no_encoding, compress_in_an_unknown_way]
)
def test_a_damaged_archive_leaves_nothing(archive, tmp_path, damage):
    archive.write_bytes(damage(archive.read_bytes()))
    with pytest.raises(DownloadError, match=f"{archive} is damaged.*Delete it and run this again"):
        unpack(archive, tmp_path / "emnist")
    assert files(tmp_path) == ["archive.zip"]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damage_is_found_however_the_archive_is_compressed(tmp_path, method):
    archive = tmp_path / "archive.zip"
    with zipfile.ZipFile(archive, "w", method) as opened:
        opened.writestr("name", bytes(range(256)))
    content = bytearray(archive.read_bytes())
    content[34:70] = bytes(36)  # behind the header, 30 bytes, and the name
    archive.write_bytes(content)
    with pytest.raises(DownloadError, match=f"{archive} is damaged"):
        unpack(archive, tmp_path / "folder")
    assert files(tmp_path) == ["archive.zip"]


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_an_interrupted_extraction_leaves_nothing(archive, tmp_path, monkeypatch, failure):
    copy = shutil.copyfileobj

    def fail_at_the_second(source, target):
        copy(source, target)
        if source.name == "gzip/test.gz":
            raise failure

    monkeypatch.setattr(shutil, "copyfileobj", fail_at_the_second)
    with pytest.raises(type(failure)):
        unpack(archive, tmp_path / "emnist")
    assert files(tmp_path) == ["archive.zip"]
    monkeypatch.undo()
    assert len(files(unpack(archive, tmp_path / "emnist"))) == 3


def test_an_archive_that_does_not_fit_is_noticed_before(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: types.SimpleNamespace(free=1000))
    with pytest.raises(OSError, match="has 0 MB left, and 0 MB are needed"):
        unpack(archive, tmp_path / "emnist")
    assert files(tmp_path) == ["archive.zip"]
