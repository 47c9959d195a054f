"""The IDX format, in which MNIST, Fashion-MNIST and EMNIST are published.

Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST Database", http://yann.lecun.com/exdb/mnist. A file
begins with two zero bytes, a byte for the type (8: unsigned byte), one for the number of dimensions,
and the length of each as a big-endian 32-bit integer. The rest is data.
"""

import contextlib
import gzip
import math
import os

import numpy as np

_BLOCK = 1 << 20  # bytes to read at a time
_RATIO = 1032  # bytes that the compression of gzip packs into one, at most


def read_idx(path, rows=None):
    """Read an IDX file of unsigned bytes, gzipped or not.

    It is read in small pieces, so it takes hardly more memory than the result has, even where a
    few rows of a large file are wanted.

    Args:
        path: the file.
        rows: which entries of the first dimension to return, and in which order: integers (n,).
            Default: all of them, as they come.

    Returns:
        A new uint8 array in the shape that the file states, or (n, ...) with `rows`.

    Raises:
        ValueError: it is no such file, or has more or fewer bytes than its header says.
        IndexError: it has no such row.
        OSError, EOFError, zlib.error: it cannot be read, or its compression is damaged.

    Example:
        >>> import tempfile, pathlib
        >>> path = pathlib.Path(tempfile.mkdtemp(), "labels-idx1-ubyte")
        >>> _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3]) + bytes([7, 2, 1]))
        >>> read_idx(path)
        array([7, 2, 1], dtype=uint8)
        >>> read_idx(path, rows=[2, 0])
        array([1, 7], dtype=uint8)
    """
    with _open(path) as (file, shape):
        if math.prod(shape) > _RATIO * os.path.getsize(path):
            raise ValueError(f"{path} announces {shape}, more than a file of its size can hold")
        rows = np.arange(shape[0])[slice(None) if rows is None else np.asarray(rows, dtype=np.int64)]
        array = np.empty((len(rows), *shape[1:]), dtype=np.uint8)
        order = np.argsort(rows, kind="stable")
        wanted, size = rows[order], math.prod(shape[1:])
        count = max(1, _BLOCK // max(1, size))
        for start in range(0, shape[0], count):
            stop = min(start + count, shape[0])
            content = file.read((stop - start) * size)
            if len(content) < (stop - start) * size:
                found = start * size + len(content)
                raise ValueError(f"{path} holds {found:,} bytes behind its header, which announces {shape}")
            first, last = np.searchsorted(wanted, (start, stop))
            block = np.frombuffer(content, dtype=np.uint8).reshape(stop - start, *shape[1:])
            array[order[first:last]] = block[wanted[first:last] - start]
        if file.read(1):
            raise ValueError(f"{path} holds more bytes behind its header than it announces, {shape}")
    return array


def read_shape(path):
    """Return the shape that an IDX file states, a tuple. It reads the header alone, and raises what `read_idx` does."""
    with _open(path) as (_, shape):
        return shape


@contextlib.contextmanager
def _open(path):
    """Give a file, gzipped or not, that is read up to the end of its header, and the shape that this states."""
    with open(path, "rb") as file:
        gzipped = file.read(2) == b"\x1f\x8b"
    with gzip.open(path) if gzipped else open(path, "rb") as file:
        start = file.read(4)
        if len(start) < 4 or start[:3] != b"\0\0\x08" or start[3] == 0:
            begins = f"it begins with {start.hex(' ')}" if start else "it is empty"
            raise ValueError(f"{path} is no IDX file of unsigned bytes: {begins}")
        lengths = file.read(4 * start[3])
        if len(lengths) < 4 * start[3]:
            raise ValueError(f"{path} is no IDX file: it ends within its header, which announces {start[3]} dimensions")
        yield file, tuple(np.frombuffer(lengths, dtype=">u4").tolist())
