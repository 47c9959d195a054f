"""Download a file whole and checked, going on where a broken download stopped, and unpack archives."""

import hashlib
import http.client
import math
import os
import shutil
import stat
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from filelock import FileLock

ATTEMPTS = 5  # of one call to go on after the connection broke
TIMEOUT = 30  # seconds without a byte
CHUNK = 1 << 16  # bytes; so much at most is lost when the connection breaks


class DownloadError(RuntimeError):
    """A file could not be downloaded or unpacked; the message says which, why, and what to do."""


def download(url, path, md5):
    """Download `url` to `path`, unless it is there already.

    `keras.utils.get_file` starts over where a download broke, which hurts at half a gigabyte, and
    two processes that call it at once write into the same file. This one keeps what has come in
    `<path>.part` and goes on there, within the call and at the next one, if the server can (RFC
    9110, section 14: Range). `path` itself appears whole and checked, or not at all. A process that
    finds another one at it waits.

    The progress is shown in a terminal and in a notebook, and not where standard output is a file.

    Args:
        url: http or https.
        path: where to keep the file. Its folder is made if need be.
        md5: the checksum of the whole file, in hexadecimal. It finds accidents and a file that has
            changed since, not a forger.

    Returns:
        `path`, a `pathlib.Path`.

    Raises:
        DownloadError: the server cannot be reached, does not have the file, or breaks off again and
            again; the file is not the expected one; the disk is full or cannot be written to.
    """
    path = Path(path)
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            if not path.exists():
                _download(url, part, md5)
                os.replace(part, path)
    except OSError as error:
        raise DownloadError(
            f"{url} could not be written to {path} ({error}). Mend that, and run this again."
        ) from error
    return path


def extract(archive, folder, members=None):
    """Unpack a zip archive, or some of its files.

    The files are unpacked beside `folder`, then moved. So none is ever there in part, and if the
    folder is not there, it appears with all of them or not at all. Files that are there already are
    left alone. A process that finds another one at it waits.

    Args:
        archive: the path of the zip archive.
        folder: where to put its files.
        members: a dict, from the name of a file in the archive to its place in the folder. The
            files are moved in this order. Default: all of them, to where the archive has them.

    Raises:
        DownloadError: the archive cannot be read, lacks a file or is damaged; one of the files is
            a link or would lie outside of the folder; the disk is full or cannot be written to.
    """
    folder = Path(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"), zipfile.ZipFile(archive) as opened:
            _extract(opened, folder, members)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DownloadError(
            f"{archive} is damaged ({error}). Delete it and run this again to download it anew."
        ) from error
    except OSError as error:
        raise DownloadError(
            f"{archive} could not be unpacked to {folder} ({error}). Mend that, and run this again."
        ) from error


def _download(url, part, md5):
    """Download `url` to `part`, going on where that ends, until its checksum is right."""
    for _ in range(ATTEMPTS):
        try:
            resumed = _receive(url, part)
        except _BrokenError as error:
            problem = f"The connection broke ({error})"
            continue
        if (found := _md5(part)) == md5:
            return
        part.unlink()
        problem = f"What came has md5 {found}, not {md5}: the file has changed, or something stands in its place"
        if not resumed:  # else the first bytes may be of an older file
            break
    raise DownloadError(f"{url} could not be downloaded. {problem}. Run this again to try once more.{_kept(part)}")


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
        raise DownloadError(
            f"{url} could not be downloaded: the server answers {error.code} {error.reason}."
        ) from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise DownloadError(
            f"{url} could not be downloaded ({type(reason).__name__}: {reason}). Connect to the network and run "
            f"this again.{_kept(part)}"
        ) from error
    with response:
        if not _continues(response, have):
            have = 0
        length = response.headers["Content-Length"]
        total = have + int(length) if length else None
        _require_space(part.parent, (total or 0) - have)
        show = _progress(url, total)
        with open(part, "ab" if have else "wb") as file:
            for chunk in _chunks(response, total and total - have):
                file.write(chunk)
                show(file.tell())
    return have > 0


class _BrokenError(Exception):
    """The connection ended before the file did."""


def _chunks(response, length):
    """Yield what the server sends, `length` bytes; raise `_BrokenError` where that ends early."""
    received = 0
    try:
        while chunk := response.read(CHUNK):
            yield chunk
            received += len(chunk)
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenError(f"{type(error).__name__}: {error}") from error
    if length is not None and received < length:  # read says nothing about that
        raise _BrokenError(f"after {received:,} of {length:,} bytes")


def _continues(response, have):
    """Return whether the response begins at byte `have`, as it was asked to."""
    span = response.headers["Content-Range"] or ""
    return response.status == http.client.PARTIAL_CONTENT and span.startswith(f"bytes {have}-")


def _md5(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _kept(part):
    if not part.exists():
        return ""
    return f" The {part.stat().st_size / 1e6:.1f} MB that have come are kept in {part}."


def _require_space(folder, size):
    if size > (free := shutil.disk_usage(folder).free):
        raise DownloadError(
            f"{folder} has {free / 1e6:,.0f} MB left, and {size / 1e6:,.0f} MB are needed. Make room there."
        )


def _progress(url, total):
    """Return a function to call with the number of bytes that have come."""
    shown = sys.stdout.isatty() or type(sys.stdout).__module__ == "ipykernel.iostream"
    if not total or not shown:
        return lambda received: None
    import keras

    print(f"Downloading {url}")
    bar = keras.utils.Progbar(math.ceil(total / 1e6), unit_name="MB")
    return lambda received: bar.update(math.ceil(received / 1e6))


def _extract(archive, folder, members):
    names = [info.filename for info in archive.infolist() if not info.is_dir()]
    if members is None:
        members = {name: name for name in names}
    if missing := sorted(members.keys() - set(names)):
        raise DownloadError(f"{archive.filename} has no {', '.join(missing)}: it is another archive than expected.")
    for name in members:
        _refuse_unsafe(archive.getinfo(name), archive.filename)
    members = {name: place for name, place in members.items() if not (folder / place).exists()}
    _require_space(folder.parent, sum(archive.getinfo(name).file_size for name in members))
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as beside:
        beside = Path(beside, folder.name)
        beside.mkdir()
        for name, place in members.items():
            (beside / place).parent.mkdir(parents=True, exist_ok=True)
            with archive.open(name) as source, open(beside / place, "wb") as target:
                shutil.copyfileobj(source, target)
        if not folder.exists():
            os.replace(beside, folder)
            return
        for place in members.values():
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            os.replace(beside / place, folder / place)


def _refuse_unsafe(info, archive):
    """Refuse what would lie, or point, outside of the folder, on any system."""
    path = PurePosixPath(info.filename)
    outside = path.is_absolute() or ".." in path.parts or "\\" in info.filename or ":" in info.filename
    if outside or stat.S_ISLNK(info.external_attr >> 16):
        raise DownloadError(
            f"{archive} holds {info.filename!r}, which {'would lie outside of its folder' if outside else 'is a link'}. "
            "Nothing was unpacked; delete the archive, and get it from its publisher."
        )
