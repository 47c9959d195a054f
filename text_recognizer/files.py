"""Atomic writes, the data cache, downloads and archives.

A program can end at any moment: by an interrupt, on a full disk, by a loss of power. What it was writing then must
not look finished. So everything here is written beside its place and renamed when the disk has it. A rename happens
at once, or not (https://pubs.opengroup.org/onlinepubs/9799919799/functions/rename.html).
"""

import collections
import contextlib
import errno
import hashlib
import http.client
import os
import re
import secrets
import shutil
import stat
import sys
import tempfile
import time
import unicodedata
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

from filelock import FileLock

ATTEMPTS = 5  # of one call to go on after the connection broke
BACKOFF = 1  # seconds to wait before the second attempt; before each further one twice as long
TIMEOUT = 30  # seconds without a byte
CHUNK = 1 << 16  # bytes; so much at most is lost when the connection breaks


class DownloadError(RuntimeError):
    """A file could not be downloaded or unpacked; the message says which, why, and what to do."""


@contextlib.contextmanager
def atomic_write(path):
    """Write a file so that it is there whole or not at all, and so that the old one stays until then.

    The file is written beside its place. At the end of the block it is handed to the disk (fsync) and renamed. If
    the block fails, nothing is left, and a file that was there before is as it was. The folder of the file is made.

    Args:
        path: where the file is to be.

    Returns:
        A context manager. It gives the `pathlib.Path` to write to. No other process and no other thread is given the
        same, and it ends as `path` does: Keras chooses the format of a file by its ending.

    Raises:
        IsADirectoryError: `path` is a folder.
        OSError: the file cannot be written there.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "new", "result.txt")
        ...     with atomic_write(path) as beside:
        ...         _ = beside.write_text("42")
        ...     path.read_text()
        '42'
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: a file cannot take its place")
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
    try:
        yield beside
        _replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def make_folder(folder, fill):
    """Make a folder and all that is in it, unless it is there already.

    It is filled beside its place, as `<folder>.part`, and then renamed. So it is never there in part, even after
    `kill -9`; what that left beside is removed by the next call. A process that finds another one at it waits (for
    the lock `<folder>.lock`), and then finds the folder. A folder that is there is only looked at: a right to write
    is needed neither in it nor beside it.

    Args:
        folder: where the folder is to be. The folders above it are made too.
        fill: called with the `pathlib.Path` of an empty folder, to fill it.

    Returns:
        `folder`, a `pathlib.Path`.

    Raises:
        NotADirectoryError: there is a file of that name.
        OSError: the folder cannot be made there.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     made = make_folder(Path(folder, "squares"), lambda beside: (beside / "3.txt").write_text("9"))
        ...     [path.name for path in made.iterdir()]
        ['3.txt']
    """
    folder = Path(folder)
    if folder.is_dir():
        return folder
    if os.path.lexists(folder):
        raise NotADirectoryError(f"{folder} is to be a folder, and is none. Move it away, and run this again")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if folder.is_dir():
            return folder
        beside = Path(f"{folder}.part")
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir()
        try:
            fill(beside)
            _replace(beside, folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    return folder


def _replace(beside, path):
    """Rename a file or a folder once the disk has it, so that not even a loss of power leaves a part of it there."""
    if beside.is_file():
        _sync(beside, os.O_RDWR)
    elif hasattr(os, "sync"):  # one call for all files of a folder: to wait for each alone takes minutes for 100,000
        os.sync()
    os.replace(beside, path)
    if os.name != "nt":  # Windows cannot open a folder
        _sync(path.parent, os.O_RDONLY)


def _sync(path, how):
    """Wait until the disk has a file, or the entries of a folder."""
    handle = os.open(path, how)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def data_home():
    """Return the folder in which Keras keeps its files, a `pathlib.Path`: `KERAS_HOME`, or else `~/.keras`.

    Nothing is made, and nothing promises that it is there or can be written to. The data sets lie in its folder
    `datasets`, as those of `keras.datasets` do, so that one copy serves both.

    Example:
        >>> from unittest import mock
        >>> with mock.patch.dict(os.environ, KERAS_HOME="/data/keras"):
        ...     data_home().as_posix()
        '/data/keras'
    """
    return Path(os.path.expanduser(os.environ.get("KERAS_HOME") or "~/.keras"))  # "~" stays where nobody has a home


def find(name):
    """Look for a data set that is there, without a right to write to it, and without a lock.

    So a folder that a school or a laboratory shares, read-only, serves everybody.

    Args:
        name: a path below the folder `datasets`, e.g. "emnist" or "emnist/gzip.zip".

    Returns:
        The `pathlib.Path` of it: in `data_home()`, or else where `place` puts it; None if it is at neither.

    Example:
        >>> find("no/such/data/set") is None
        True
    """
    places = data_home() / "datasets" / name, place(name)
    return next(filter(os.path.exists, places), None)  # which is False, too, where one may not look


def place(name):
    """Return where a data set is to be put: a `pathlib.Path` that can be written to. Makes nothing.

    That is in the folder `datasets` of `data_home()`. Where one may not write there, it is in the folder
    `.keras/datasets` for temporary files, to which Keras turns away too.

    Args:
        name: a path below the folder `datasets`.

    Example:
        >>> place("emnist").parts[-2:]
        ('datasets', 'emnist')
    """
    path = data_home() / "datasets" / name
    there = next(filter(os.path.isdir, (path, *path.parents)), path)
    if path.parts[0] != "~" and os.access(there, os.W_OK | os.X_OK):
        return path
    temporary = "/tmp" if os.path.isdir("/tmp") else tempfile.gettempdir()  # as keras.utils.get_file chooses it
    return Path(temporary, ".keras", "datasets", name)


def download(url, path, checksum):
    """Download `url` to `path`, unless it is there already.

    `keras.utils.get_file` starts over where a download broke, which hurts at half a gigabyte, and two processes that
    call it at once write into the same file. This one keeps what has come in `<path>.part` and goes on there, within
    the call and at the next one, if the server can (RFC 9110, section 14: Range). Between two attempts of a call it
    waits, twice as long each time, since a server that is overloaded needs a rest. `path` itself appears whole and
    checked, or not at all. A process that finds another one at it waits.

    The progress is shown in a terminal and in a notebook, and not where standard output is a file.

    Args:
        url: http or https.
        path: where to keep the file. Its folder is made if need be.
        checksum: of the whole file, "md5:..." or "sha256:...", in hexadecimal. It finds accidents and a file that has
            changed since; MD5 finds no forger.

    Returns:
        `path`, a `pathlib.Path`.

    Raises:
        ValueError: the checksum is none of these.
        DownloadError: the server cannot be reached, does not have the file, or breaks off again and again; the file
            is not the expected one; the disk is full or cannot be written to.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     original, copy = Path(folder, "original"), Path(folder, "copy")
        ...     _ = original.write_bytes(b"hello")
        ...     download(original.as_uri(), copy, "md5:5d41402abc4b2a76b9719d911017c592").read_bytes()
        b'hello'
    """
    if not re.fullmatch("md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}", checksum):
        raise ValueError(f"checksum is {checksum!r}; write 'md5:' and 32 hexadecimal digits, or 'sha256:' and 64")
    path = Path(path)
    part = path.with_name(f"{path.name}.part")
    if os.path.exists(path):
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            if not path.exists():
                _download(url, part, checksum)
                _replace(part, path)
    except (OSError, DownloadError) as error:
        kept = f" What has come is kept in {part}." if os.path.exists(part) else ""
        raise DownloadError(f"{url} could not be downloaded to {path}. {error}{kept}") from error
    return path


def _download(url, part, checksum):
    """Download `url` to `part`, going on where that ends, until its checksum is right."""
    algorithm, _, digest = checksum.partition(":")
    for attempt in range(1, ATTEMPTS + 1):
        begin = _size(part)
        try:
            went_on = _receive(url, part, begin)
            with open(part, "rb") as file:
                found = hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
            if found == digest:
                return
            part.unlink()
            problem = f"What came has {algorithm} {found}, not {digest}: it has changed, or is something else."
            may_pass = went_on  # the first bytes may be of an older file
        except urllib.error.HTTPError as error:
            problem = f"The server answers {error.code} {error.reason}. Run this again in a while."
            may_pass = error.code >= 500 or error.code == http.client.TOO_MANY_REQUESTS
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            what_to_do = "Connect to the network, or make room on the disk, and run this again."
            problem = f"It failed ({type(reason).__name__}: {reason}). {what_to_do}"
            may_pass = attempt > 1 or _size(part) != begin  # else there is no network at all, or no room
        if not may_pass or attempt == ATTEMPTS:
            raise DownloadError(problem)
        time.sleep(BACKOFF * 2 ** (attempt - 1))


def _receive(url, part, begin):
    """Append to `part` what comes of `url` behind byte `begin`, in one connection; return whether it went on there."""
    request = urllib.request.Request(url, headers={"Accept-Encoding": "identity"})  # compressed, it could not go on
    if begin:
        request.add_header("Range", f"bytes={begin}-")
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:  # there are no more bytes than these
            return True
        raise
    with response:
        if not (response.headers["Content-Range"] or "").startswith(f"bytes {begin}-"):
            begin = 0
        total = begin + int(response.headers["Content-Length"] or 0)
        _require_space(part.parent, total - begin)
        shows = sys.stdout.isatty() or type(sys.stdout).__module__ == "ipykernel.iostream"
        with open(part, "ab" if begin else "wb") as file:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                if shows and file.tell() % 1_000_000 < len(chunk):
                    print(f"\rDownloading {url}: {file.tell() / 1e6:,.0f} of {total / 1e6:,.0f} MB", end="", flush=True)
        if shows:
            print()
    if _size(part) < total:  # read says nothing about that
        raise ConnectionError(f"the connection broke after {_size(part):,} of {total:,} bytes")
    return begin > 0


def _size(path):
    return path.stat().st_size if path.exists() else 0


def _require_space(folder, size):
    if size > (free := shutil.disk_usage(folder).free):
        raise OSError(errno.ENOSPC, f"{folder} has {free / 1e6:,.0f} MB left, and {size / 1e6:,.0f} MB are needed")


# What every system takes for the name of a file in its folder, on a disk: ".." leads out of it, as "C:x" and ".. " do
# on Windows, where "aux.txt" is a device.
_PLAIN = re.compile(
    r'(?!(con(in\$|out\$)?|prn|aux|nul|(com|lpt)[0-9¹²³]) *(\.|$))[^\x00-\x1f\x7f\\/:*?"<>|]+(?<![ .])', re.IGNORECASE
)


def extract(archive, folder, members=None, strip=""):
    """Unpack a zip archive, or some of its files.

    If that fails, some may be there already; let `make_folder` call this, and the folder is there whole or not at all.

    An archive can name places outside of the folder (https://en.wikipedia.org/wiki/Zip_Slip), devices, or two files
    that some system takes for one, as Windows does "a" and "A", and macOS the two ways to write an accented letter.
    So the names are checked before anything is written: each must be one that means a file of its own on every system.

    Args:
        archive: the path of the zip archive.
        folder: where to put its files; made if need be.
        members: the names of the files to unpack, without what `strip` takes off. Default: all of them.
        strip: a folder, with which the names in the archive begin, to leave out, e.g. "tiny-imagenet-200". A name
            without it stays as it is.

    Raises:
        DownloadError: the archive cannot be read, lacks a file or is damaged; one of the files is a link, or has a name
            that is none everywhere, or is that of another one.
        OSError: the disk is full or cannot be written to.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     archive, numbers = Path(folder, "archive.zip"), Path(folder, "numbers")
        ...     with zipfile.ZipFile(archive, "w") as opened:
        ...         opened.writestr("all/one.txt", "1")
        ...         opened.writestr("all/two.txt", "2")
        ...     made = make_folder(numbers, lambda beside: extract(archive, beside, strip="all"))
        ...     sorted(path.name for path in made.iterdir())
        ['one.txt', 'two.txt']
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            prefix = strip and f"{strip}/"
            entries = [(info.filename.removeprefix(prefix), info) for info in opened.infolist() if not info.is_dir()]
            chosen = [entry for entry in entries if members is None or entry[0] in members]
            if missing := sorted({*(members or ())} - {name for name, _ in chosen}):
                raise DownloadError(f"{archive} has no {', '.join(missing)}: it is another archive than expected.")
            _refuse_names(archive, chosen)
            Path(folder).mkdir(parents=True, exist_ok=True)
            _require_space(folder, sum(info.file_size for _, info in chosen))
            for name, info in chosen:
                info.filename = name  # where ZipFile.extract puts it
                opened.extract(info, folder)
    except (DownloadError, MemoryError):
        raise
    except Exception as error:  # what zipfile and its decompressors raise for damage is of every kind
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # the disk's, and not the archive's
            raise
        raise DownloadError(
            f"{archive} is damaged, or no archive that can be unpacked here ({error}). Delete it and run this again to "
            "download it anew."
        ) from error


def _refuse_names(archive, entries):
    """Raise a `DownloadError` where one of the entries, pairs of a name and a ZipInfo, is no file of its own."""
    places = [unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold()) for name, _ in entries]
    taken = collections.Counter(places)
    taken.update({place[:end] for place in places for end, character in enumerate(place) if character == "/"})
    for (name, info), place in zip(entries, places):
        plain = all(map(_PLAIN.fullmatch, name.split("/")))
        if not plain or taken[place] > 1 or stat.S_ISLNK(info.external_attr >> 16):
            raise DownloadError(
                f"{archive} holds {info.filename!r}, which is a link, or would lie outside of its folder or where "
                "another file does, on this system or on another. Nothing was unpacked; delete the archive, and get it "
                "from its publisher."
            )
