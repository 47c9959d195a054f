"""Atomic writes, the data cache, downloads and archives.

A program can end at any moment: by an interrupt, on a full disk, by a loss of power. What it was writing then must
not look finished. So everything here is written beside its place and renamed when the disk has it. A rename happens
at once, or not (https://pubs.opengroup.org/onlinepubs/9799919799/functions/rename.html).
"""

import contextlib
import errno
import hashlib
import http.client
import lzma
import os
import secrets
import shutil
import stat
import struct
import sys
import tempfile
import time
import unicodedata
import urllib.error
import urllib.request
import zipfile
import zlib
from pathlib import Path, PurePosixPath

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
    _refuse_file(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            with _folder_beside(folder) as beside:
                fill(beside)
                _replace(beside, folder)
    return folder


def _refuse_file(folder):
    if os.path.lexists(folder) and not os.path.isdir(folder):
        raise NotADirectoryError(f"{folder} is to be a folder, and is none. Move it away, and run this again")


@contextlib.contextmanager
def _folder_beside(folder):
    """Give an empty folder `<folder>.part`, which is gone afterwards. Whoever calls this holds the lock."""
    beside = Path(f"{folder}.part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    try:
        yield beside
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _replace(beside, path):
    """Rename a file or a folder once the disk has it, so that not even a loss of power leaves a part of it there."""
    if beside.is_file():
        _sync(beside)
    elif hasattr(os, "sync"):  # one call for all files of a folder: to wait for each alone takes minutes for 100,000
        os.sync()
    os.replace(beside, path)
    _sync(path.parent)


def _sync(path):
    """Wait until the disk has a file, or the entries of a folder."""
    if path.is_dir() and os.name == "nt":  # Windows cannot open a folder
        return
    handle = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
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
    for path in (data_home() / "datasets" / name, place(name)):
        if os.path.exists(path):  # False, too, where one may not look
            return path
    return None


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
    there = next((folder for folder in (path, *path.parents) if os.path.isdir(folder)), path)
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
    algorithm, _, digest = checksum.partition(":")
    if len(digest) != {"md5": 32, "sha256": 64}.get(algorithm) or set(digest) - set("0123456789abcdef"):
        raise ValueError(f"checksum is {checksum!r}; write 'md5:' and 32 hexadecimal digits, or 'sha256:' and 64")
    path = Path(path)
    if os.path.exists(path):
        return path
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            if not path.exists():
                _download(url, part, algorithm, digest)
                _replace(part, path)
    except OSError as error:
        raise DownloadError(
            f"{url} could not be written to {path} ({error}). Mend that, and run this again.{_kept(part)}"
        ) from error
    return path


class _BrokenError(Exception):
    """An attempt that failed in a way that may pass; the message says how, and what to do if it does not."""


class _UnreachableError(_BrokenError):
    """There was no answer at all."""


def _download(url, part, algorithm, digest):
    """Download `url` to `part`, going on where that ends, until its checksum is right."""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(BACKOFF * 2 ** (attempt - 1))
        try:
            resumed = _receive(url, part)
        except _BrokenError as error:
            problem = error
            if isinstance(error, _UnreachableError) and not attempt:  # no network, most likely: nothing to wait for
                break
            continue
        if (found := _digest(part, algorithm)) == digest:
            return
        part.unlink()
        problem = (
            f"What came has {algorithm} {found}, not {digest}: the file has changed, or something stands in its place. "
            "Run this again to try once more."
        )
        if not resumed:  # else the first bytes may be of an older file
            break
    raise DownloadError(f"{url} could not be downloaded. {problem}{_kept(part)}")


def _receive(url, part):
    """Append to `part` what it lacks of `url`, in one connection; return whether it had some of it."""
    have = part.stat().st_size if part.exists() else 0
    # Compressed on the way, the bytes could not be counted.
    request = urllib.request.Request(url, headers={"Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and have:  # it has no more bytes than these
            return True
        answer = f"The server answers {error.code} {error.reason}."
        if error.code >= 500 or error.code == http.client.TOO_MANY_REQUESTS:
            raise _BrokenError(f"{answer} Run this again in a while.") from error
        raise DownloadError(f"{url} could not be downloaded. {answer}{_kept(part)}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise _UnreachableError(
            f"The server cannot be reached ({type(reason).__name__}: {reason}). Connect to the network and run this "
            "again."
        ) from error
    with response:
        if not _continues(response, have):
            have = 0
        length = response.headers["Content-Length"]
        total = have + int(length) if length else None
        _require_space(part.parent, (total or 0) - have)
        with open(part, "ab" if have else "wb") as file, _progress(url, total) as show:
            for chunk in _chunks(response, total and total - have):
                file.write(chunk)
                show(file.tell())
    return have > 0


def _chunks(response, length):
    """Yield what the server sends, `length` bytes; raise `_BrokenError` where that ends early."""
    received = 0
    try:
        while chunk := response.read(CHUNK):
            yield chunk
            received += len(chunk)
    except (OSError, http.client.HTTPException) as error:
        what = f"{type(error).__name__}: {error}"
        raise _BrokenError(f"The connection broke ({what}). Run this again to go on.") from error
    if length is not None and received < length:  # read says nothing about that
        raise _BrokenError(f"The connection broke (after {received:,} of {length:,} bytes). Run this again to go on.")


def _continues(response, have):
    """Return whether the response begins at byte `have`, as it was asked to."""
    span = response.headers["Content-Range"] or ""
    return response.status == http.client.PARTIAL_CONTENT and span.startswith(f"bytes {have}-")


def _digest(path, algorithm):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()


def _kept(part):
    if not os.path.exists(part):  # False, too, where one may not look
        return ""
    return f" The {part.stat().st_size / 1e6:.1f} MB that have come are kept in {part}."


def _require_space(folder, size):
    if size > (free := shutil.disk_usage(folder).free):
        raise DownloadError(
            f"{folder} has {free / 1e6:,.0f} MB left, and {size / 1e6:,.0f} MB are needed. Make room there."
        )


@contextlib.contextmanager
def _progress(url, total):
    """Give a function to call with the number of bytes that have come."""
    if not total or not (sys.stdout.isatty() or type(sys.stdout).__module__ == "ipykernel.iostream"):
        yield lambda received: None
        return
    shown = None

    def show(received):
        nonlocal shown
        if shown != (now := f"\rDownloading {url}: {received / 1e6:,.0f} of {total / 1e6:,.0f} MB"):
            shown = now
            print(now, end="", flush=True)

    try:
        yield show
    finally:
        print()


def extract(archive, folder, members=None, strip=""):
    """Unpack a zip archive, or some of its files.

    The files are unpacked beside `folder`, as `<folder>.part`, then moved. So none is ever there in part, and if the
    folder is not there, it appears with all of them or not at all. Files that are there already are left alone. A
    process that finds another one at it waits.

    An archive can name places outside of the folder (https://en.wikipedia.org/wiki/Zip_Slip), or two files that some
    system takes for one. So the places that the names lead to are checked, before anything is written.

    Args:
        archive: the path of the zip archive.
        folder: where to put its files.
        members: a dict, from the name of a file in the archive, without what `strip` takes off, to its place in the
            folder. The files are moved in this order. Default: all of them, to where the archive has them.
        strip: a folder, with which the names in the archive begin, to leave out, e.g. "tiny-imagenet-200". A name
            without it stays as it is.

    Raises:
        DownloadError: the archive cannot be read, lacks a file or is damaged; one of the files is a link, would lie
            outside of the folder, or where another one lies; the disk is full or cannot be written to.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     archive, numbers = Path(folder, "archive.zip"), Path(folder, "numbers")
        ...     with zipfile.ZipFile(archive, "w") as opened:
        ...         opened.writestr("all/one.txt", "1")
        ...         opened.writestr("all/two.txt", "2")
        ...     extract(archive, numbers, strip="all")
        ...     sorted(path.name for path in numbers.iterdir())
        ['one.txt', 'two.txt']
    """
    folder = Path(folder)
    try:
        _refuse_file(folder)
        with contextlib.ExitStack() as stack:
            with _reading(archive):
                opened = stack.enter_context(zipfile.ZipFile(archive))
            files = _files_to_unpack(opened, folder, members, strip)
            if os.path.isdir(folder) and not _missing(files, folder):
                return
            folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{folder}.lock"), _folder_beside(folder) as beside:
                _extract(opened, _missing(files, folder), folder, beside)
    except OSError as error:
        raise DownloadError(
            f"{archive} could not be unpacked to {folder} ({error}). Mend that, and run this again."
        ) from error


# What zipfile and its decompressors raise for damaged, encrypted and unknown archives; some of it is an OSError.
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, ValueError, RuntimeError, OSError)


@contextlib.contextmanager
def _reading(archive):
    """Say which archive it is that turns out to be damaged."""
    try:
        yield
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # the disk's, and not the archive's
            raise
        raise DownloadError(
            f"{archive} is damaged, or no archive that can be unpacked here ({error}). Delete it and run this again to "
            "download it anew."
        ) from error


def _files_to_unpack(archive, folder, members, strip):
    """Return the files that are asked for, a dict from place in the folder to entry of the archive, all checked."""
    prefix = strip and f"{strip}/"
    files = [info for info in archive.infolist() if not info.filename.endswith("/")]
    entries = [(info.filename.removeprefix(prefix), info) for info in files]
    if members is None:
        members = {name: name for name, _ in entries}
    if missing := sorted(members.keys() - {name for name, _ in entries}):
        raise DownloadError(f"{archive.filename} has no {', '.join(missing)}: it is another archive than expected.")

    order = {name: number for number, name in enumerate(members)}
    files, taken = {}, {}
    for name, info in sorted((entry for entry in entries if entry[0] in order), key=lambda entry: order[entry[0]]):
        place = members[name]
        if stat.S_ISLNK(info.external_attr >> 16):
            _refuse(archive, info, "is a link")
        if not _lies_below(place):
            _refuse(archive, info, "would lie outside of its folder, on this system or on another")
        if (other := taken.setdefault(_identity(place), info)) is not info:
            _refuse(archive, info, f"would lie where {other.filename!r} does, on this system or on another")
        files[place] = info

    folders = {parent: info for place, info in files.items() for parent in PurePosixPath(place).parents}
    for parent, info in folders.items():
        if (other := taken.get(_identity(parent))) is not None:
            _refuse(archive, info, f"would lie below {other.filename!r}, which is no folder")
        if not (folder / parent).resolve().is_relative_to(folder.resolve()):
            _refuse(archive, info, f"would lie outside of its folder: {folder / parent} leads elsewhere")
    return files


def _lies_below(place):
    """Return whether a place lies below its folder on every system: "C:x" and ".. " do not on Windows."""
    path = PurePosixPath(place)
    named = bool(path.parts) and all(part.strip(". ") for part in path.parts)
    return named and not path.is_absolute() and not set(place) & set('\\:*?"<>|')


def _identity(place):
    """Return what is equal for two places that are one on some system.

    Those of Windows and macOS know no upper and lower case. That of macOS takes the two ways in which Unicode writes
    an accented letter for one. Windows drops dots and spaces at the end.
    """
    parts = (part.rstrip(". ") for part in PurePosixPath(place).parts)
    return tuple(unicodedata.normalize("NFC", unicodedata.normalize("NFC", part).casefold()) for part in parts)


def _refuse(archive, info, why):
    raise DownloadError(
        f"{archive.filename} holds {info.filename!r}, which {why}. Nothing was unpacked; delete the archive, and get "
        "it from its publisher."
    )


def _missing(files, folder):
    """Return those of the files that the folder does not have yet."""
    return {place: info for place, info in files.items() if not os.path.lexists(folder / place)}


def _extract(archive, files, folder, beside):
    """Unpack files, a dict from place to entry, into the folder `beside`, then move them to `folder`."""
    _require_space(folder.parent, sum(info.file_size for info in files.values()))
    for place, info in files.items():
        info.filename = place  # where ZipFile.extract puts it
        with _reading(archive.filename):
            archive.extract(info, beside)
    if not folder.exists():
        _replace(beside, folder)
        return
    for place in files:
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        _replace(beside / place, folder / place)
